/** @file What a batch gives to the inputs of a training step: checked where the device could not tell that it is wrong. */
import { inWords, UserError } from "../compiler/graph/errors.ts";
import { arrayFault, type NdArray } from "../compiler/graph/ndarray.ts";
import { unknownOption } from "../compiler/graph/options.ts";
import type { Batch } from "./data/batches.ts";
import { checkIndices, type IndexChecks } from "./index-checks.ts";
import type { Objective } from "./objective.ts";

/** A batch of an objective that reads other things than x and targets. */
export interface NamedBatch<Names extends string = string> {
  /** What the objective reads, by name. */
  readonly inputs: Readonly<Record<Names, NdArray>>;
  /** The state starts at zero instead of going on from the batch before. */
  readonly fresh?: boolean;
}

/** What a trainer takes: inputs by name, or x and targets of a network. */
export type TrainingBatch<Names extends string = string> =
  | NamedBatch<Names>
  | ("x" | "targets" extends Names ? Batch : never);

/** Inputs by name, and the number of rows B. */
export function inputsOf(objective: Objective, batch: TrainingBatch, indices: IndexChecks) {
  // From JavaScript anything may come.
  if (typeof batch !== "object" || batch === null || Array.isArray(batch))
    throw new UserError(`the batch is ${inWords(batch)}; expected { x, targets }, or { inputs } by name`);
  const isNamed = "inputs" in batch;
  const parts = isNamed ? ["inputs", "fresh"] : ["x", "targets", "fresh"];
  const stranger = Object.keys(batch).find((key) => !parts.includes(key));
  if (stranger !== undefined) throw new UserError(`the batch: ${unknownOption(stranger, parts)}`);
  const given: Readonly<Record<string, NdArray | undefined>> = isNamed
    ? batch.inputs
    : { x: batch.x, targets: batch.targets };
  const names = Object.keys(objective.batch);
  const inputs = Object.fromEntries(
    names.map((name): [string, NdArray] => {
      const array = given[name];
      if (array === undefined) {
        const held = Object.keys(given).filter((key) => given[key] !== undefined);
        throw new UserError(
          `the batch has no ${name}; it holds ${held.join(", ") || "nothing"}, expected ${names.join(", ")}`,
        );
      }
      const fault = arrayFault(array);
      if (fault !== undefined) throw new UserError(`the batch's ${name} ${fault}`);
      return [name, array];
    }),
  );
  const unread = Object.keys(given).find((name) => given[name] !== undefined && !names.includes(name));
  if (unread !== undefined)
    throw new UserError(`the batch has an input ${unread}, which nothing reads; expected ${names.join(", ")}`);
  const { x, targets } = inputs;
  const rows =
    "kind" in objective && x !== undefined && targets !== undefined ? checkedBatch({ x }) : rowsOf(objective, inputs);
  checkIndices(indices, inputs);
  return { inputs, rows };
}

function rowsOf({ batch }: Objective, inputs: Readonly<Record<string, NdArray>>): number {
  for (const [name, { shape }] of Object.entries(batch)) {
    const rows = inputs[name]?.shape[shape.indexOf("B")];
    if (rows !== undefined) return rows;
  }
  return 1;
}

/** Number of rows of a batch of a network. */
function checkedBatch({ x }: { readonly x: NdArray }): number {
  const [steps = 0, rows = 0] = x.shape ?? [];
  if (steps < 1 || rows < 1)
    throw new UserError(`x is [${x.shape?.join(", ")}]; a batch needs a step and a row at least`);
  return rows;
}
