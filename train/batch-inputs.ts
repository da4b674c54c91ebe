/** @file What a batch gives to the inputs of a training step: checked where the device could not tell that it is wrong. */
import { inWords, UserError } from "../compiler/graph/errors.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import type { Batch } from "./data/batches.ts";
import type { Network } from "./networks.ts";
import type { Objective } from "./objective.ts";

/** A batch of an objective that reads other things than x and targets. */
export interface NamedBatch {
  /** What the objective reads, by name. */
  readonly inputs: Readonly<Record<string, NdArray>>;
  /** The state starts at zero instead of going on from the batch before. */
  readonly fresh?: boolean;
}

/** What a trainer takes: x and targets of a network, or inputs by name. */
export type TrainingBatch = Batch | NamedBatch;

/** Inputs by name, and the number of rows B. */
export function inputsOf(objective: Objective, batch: TrainingBatch) {
  // From JavaScript anything may come.
  if (typeof batch !== "object" || batch === null)
    throw new UserError(`the batch is ${inWords(batch)}; expected { x, targets }, or { inputs } by name`);
  const given: Readonly<Record<string, NdArray | undefined>> =
    "inputs" in batch ? batch.inputs : { x: batch.x, targets: batch.targets };
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
      return [name, array];
    }),
  );
  const { x, targets } = inputs;
  const rows =
    "kind" in objective && x !== undefined && targets !== undefined
      ? checkedBatch(objective as Network, { x, targets })
      : rowsOf(objective, inputs);
  return { inputs, rows };
}

function rowsOf({ batch }: Objective, inputs: Readonly<Record<string, NdArray>>): number {
  for (const [name, { shape }] of Object.entries(batch)) {
    const rows = inputs[name]?.shape[shape.indexOf("B")];
    if (rows !== undefined) return rows;
  }
  return 1;
}

/** Number of rows of a batch that fits the network. */
export function checkedBatch(network: Network, { x, targets }: Batch): number {
  const [steps = 0, rows = 0] = x.shape;
  if (steps < 1 || rows < 1)
    throw new UserError(`x is [${x.shape.join(", ")}]; a batch needs a step and a row at least`);
  if (network.kind === "text") {
    checkTokens("x", x, network.config.outputs);
    checkTokens("targets", targets, network.config.outputs);
  }
  return rows;
}

/** A token that is none would silently read the last row of the embedding. */
export function checkTokens(name: string, { data }: NdArray, vocabulary: number): void {
  const stranger = data.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocabulary));
  if (stranger !== undefined)
    throw new UserError(`${name} holds token ${stranger}; expected whole numbers from 0 to ${vocabulary - 1}`);
}
