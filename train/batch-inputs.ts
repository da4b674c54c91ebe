/** @file The arrays of a batch for the inputs of a step, with the checks that a device cannot do. */
import { inWords, UserError } from "../compiler/graph/errors.ts";
import type { Aval } from "../compiler/graph/graph.ts";
import { arrayFault, type NdArray } from "../compiler/graph/ndarray.ts";
import { unknownOption } from "../compiler/graph/options.ts";
import type { DeviceArray } from "../devices/device.ts";
import type { Batch } from "./data/batches.ts";
import { checkIndices, type IndexChecks } from "./index-checks.ts";
import type { Objective } from "./objective.ts";

/**
 * An array of a batch: numbers, or an array of the trainer's device, which stays the caller's. Indices and classes that are
 * on the device already cannot be checked.
 */
export type BatchArray = NdArray | DeviceArray;

/** A batch with inputs other than x and targets. */
export interface NamedBatch<Names extends string = string> {
  /** The inputs of the objective, by name. */
  readonly inputs: Readonly<Record<Names, BatchArray>>;
  /** The state starts at zero instead of continuing from the previous batch. */
  readonly fresh?: boolean;
}

/** The batches that a trainer accepts: inputs by name, or x and targets of a network. */
export type TrainingBatch<Names extends string = string> =
  | NamedBatch<Names>
  | ("x" | "targets" extends Names ? GivenBatch : never);

/** Batches of data, or the same with arrays on the device. */
type GivenBatch = { readonly [K in keyof Batch]: Batch[K] extends NdArray ? BatchArray : Batch[K] };

/** The batches that a predictor accepts: arrays by name, or x of a network. Targets are ignored. */
export type PredictionBatch =
  | { readonly inputs: Readonly<Record<string, BatchArray>>; readonly fresh?: boolean }
  | { readonly x: BatchArray; readonly targets?: BatchArray; readonly fresh?: boolean };

/** Returns the inputs by name, and the number of rows B. */
export function inputsOf(objective: Objective, batch: TrainingBatch, indices: IndexChecks) {
  const names = Object.keys(objective.batch);
  const inputs = namedInputs(names, names, batch);
  const { x, targets } = inputs;
  if ("kind" in objective && x !== undefined && targets !== undefined)
    checkSizes({ x: objective.batch.x as Aval }, { x });
  checkIndices(indices, inputs);
  return { inputs, rows: rowsOf(objective.batch, inputs) };
}

/** Returns the inputs of a prediction by name, and the number of rows B; names in `known` are accepted and ignored. */
export function predictionInputs(
  read: Readonly<Record<string, Aval>>,
  known: readonly string[],
  batch: PredictionBatch,
  indices: IndexChecks,
) {
  const inputs = namedInputs(Object.keys(read), known, batch);
  checkSizes(read, inputs);
  checkIndices(indices, inputs);
  return { inputs, rows: rowsOf(read, inputs) };
}

/** Returns the arrays with these names. Callers in JavaScript can pass anything. */
function namedInputs(
  names: readonly string[],
  known: readonly string[],
  batch: TrainingBatch | PredictionBatch,
): Record<string, BatchArray> {
  if (typeof batch !== "object" || batch === null || Array.isArray(batch))
    throw new UserError(`the batch is ${inWords(batch)}; expected { x, targets }, or { inputs } by name`);
  const isNamed = "inputs" in batch;
  const parts = isNamed ? ["inputs", "fresh"] : ["x", "targets", "fresh"];
  const stranger = Object.keys(batch).find((key) => !parts.includes(key));
  if (stranger !== undefined && "dtype" in batch && "shape" in batch)
    throw new UserError("the batch is one array; expected { x, targets }, or { inputs } by name");
  if (stranger !== undefined) throw new UserError(`the batch: ${unknownOption(stranger, parts)}`);
  const given: Readonly<Record<string, BatchArray | undefined>> = isNamed
    ? batch.inputs
    : { x: batch.x, targets: batch.targets };
  const inputs = names.map((name): [string, BatchArray] => {
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
  });
  const unread = Object.keys(given).find(
    (name) => given[name] !== undefined && !names.includes(name) && !known.includes(name),
  );
  if (unread !== undefined)
    throw new UserError(`the batch has an input ${unread}, which is not used; expected ${names.join(", ")}`);
  return Object.fromEntries(inputs);
}

function rowsOf(avals: Readonly<Record<string, Aval>>, inputs: Readonly<Record<string, BatchArray>>): number {
  for (const [name, { shape }] of Object.entries(avals)) {
    const rows = inputs[name]?.shape[shape.indexOf("B")];
    if (rows !== undefined) return rows;
  }
  return 1;
}

/** A batch has at least one step and one row. */
function checkSizes(avals: Readonly<Record<string, Aval>>, inputs: Readonly<Record<string, BatchArray>>): void {
  for (const [name, { shape }] of Object.entries(avals)) {
    const given = inputs[name]?.shape ?? [];
    const isEmpty = shape.some((dim, axis) => (dim === "T" || dim === "B") && (given[axis] ?? 0) < 1);
    if (isEmpty) throw new UserError(`${name} is [${given.join(", ")}]; a batch needs at least one step and one row`);
  }
}
