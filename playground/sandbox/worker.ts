/** @file The sandbox's worker: runs a visitor's source, finds the cell it exports, and answers with its traces as text. */
import { type StackSize, traceCell } from "../../compiler/dsl/traced-cell.ts";
import { type CellDefinition, UserError } from "../../index.ts";
import { encodeCell } from "../../train/files/traced-cell-json.ts";
import { faultFrom } from "./fault.ts";
import { withMeant } from "./meant.ts";
import type { Answer, Job } from "./messages.ts";
import { libraryNames, runSource, sourceName } from "./source-module.ts";

function answer(message: Answer): void {
  postMessage(message);
}

addEventListener("message", async ({ data }: MessageEvent<Job>) => {
  const { id, source, sizes, anySize = false } = data;
  try {
    const definition = exportedCell(await runSource(source));
    const traced = traceCell(definition, anySize ? possibleSizes(definition, sizes) : sizes);
    answer({ kind: "traced", id, cell: encodeCell(traced) });
  } catch (error) {
    answer({ kind: "fault", id, fault: withMeant(faultFrom(error, sourceName), source, libraryNames) });
  }
});

function exportedCell(exports: Readonly<Record<string, unknown>>): CellDefinition {
  const all = [...new Set(Object.values(exports).filter(isCell))];
  const chosen = isCell(exports.default) ? exports.default : all[0];
  if (chosen === undefined)
    throw new UserError("the code exports no cell; end it with `export default cell(…)`, or export one by name");
  if (all.length > 1 && chosen !== exports.default)
    throw new UserError(`the code exports ${all.length} cells; make the one to train the default export`);
  return chosen;
}

function isCell(value: unknown): value is CellDefinition {
  return typeof value === "function" && "cellName" in value && typeof value.cellName === "string";
}

function possibleSizes(definition: CellDefinition, sizes: readonly StackSize[]): StackSize[] {
  let fault: unknown;
  const possible = sizes.filter((size) => {
    try {
      traceCell(definition, [size]);
      return true;
    } catch (error) {
      fault = error;
      return false;
    }
  });
  if (possible.length === 0) throw fault;
  return possible;
}

answer({ kind: "ready", names: libraryNames });
