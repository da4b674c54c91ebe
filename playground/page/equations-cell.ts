/**
 * @file Cells that are written as equations. They are data: the page itself reads them, with no sandbox, also where they came
 * by a link. What comes out is what the sandbox gives for a cell in code.
 */
import { type StackSize, type TracedCell, traceCell } from "../../compiler/dsl/traced-cell.ts";
import { messageOf } from "../../compiler/graph/errors.ts";
import { EquationError } from "../../interchange/equations/fault.ts";
import { parseCell } from "../../interchange/equations/parse-cell.ts";
import { encodeCell } from "../../train/files/traced-cell-json.ts";
import type { SourceFault } from "../sandbox/messages.ts";

/** Whether a source is equations: it exports and imports nothing, and a line is `name = …` or `name ~ …`. */
export function isEquations(source: string): boolean {
  const isCode = /^\s*(?:import|export|const|let|var|function|return)\b|=>|^\s*\/\//m.test(source);
  return !isCode && /^[^#\n=~(]*[=~]/m.test(source);
}

/** The name in the first comment, `# my-cell: …`; otherwise `equations`. */
function nameIn(source: string): string {
  return /^\s*#\s*([\w-]+)\s*(?::|$)/m.exec(source)?.[1] ?? "equations";
}

type TracedEquations =
  | { readonly kind: "traced"; readonly traced: TracedCell; readonly encoded: string }
  | { readonly kind: "fault"; readonly fault: SourceFault };

/** Traces the cell of equations; with `anySize` at those of the sizes at which it exists. */
export function tracedEquations(source: string, sizes: readonly StackSize[], anySize: boolean): TracedEquations {
  let fault: unknown;
  try {
    const cell = parseCell(source, { name: nameIn(source) });
    const possible = sizes.filter((size) => {
      try {
        traceCell(cell, [size]);
        return true;
      } catch (error) {
        fault = error;
        return !anySize;
      }
    });
    if (possible.length === 0) throw fault;
    const traced = traceCell(cell, possible);
    return { kind: "traced", traced, encoded: encodeCell(traced) };
  } catch (error) {
    if (!(error instanceof EquationError)) return { kind: "fault", fault: { message: messageOf(error) } };
    const { what: message, line, column } = error;
    return { kind: "fault", fault: { message, line, column } };
  }
}
