/** @file Checkpoints of a population: those of trainers, one for each model, as arrays of all models and back. */
import { at, UserError } from "../compiler/graph/errors.ts";
import { modelOf, ofModels } from "../compiler/graph/models.ts";
import { type NdArray, scalar, sizeOfNumbers, zeros } from "../compiler/graph/ndarray.ts";
import { packArrays } from "./arena.ts";
import { type Checkpoint, carriedState, keptShape, keptValue } from "./checkpoint.ts";
import type { Objective } from "./objective.ts";
import type { Weights } from "./population-options.ts";
import type { TrainingStep } from "./training-step.ts";

/** Names of the arrays in every checkpoint. */
export const keptNames = ({ slots }: Pick<TrainingStep, "slots">): readonly string[] => [
  "parameters",
  ...slots,
  "step",
];

/** The checkpoint of a model before its first step. */
export function startingAt({ arena, slots }: TrainingStep, weights: Weights): Checkpoint {
  return {
    parameters: packArrays(weights, arena),
    ...Object.fromEntries(slots.map((name) => [name, zeros(keptShape(name, arena))])),
    step: scalar(0),
  };
}

/**
 * The arrays of all models, by the names of the step's inputs, and the number of rows of the states that are among them, if
 * there are any.
 *
 * @throws UserError if a checkpoint is one of another network or optimizer, or the models were at different batches.
 */
export function ofCheckpoints(
  step: TrainingStep,
  { stateShapes }: Objective,
  checkpoints: readonly Checkpoint[],
): { readonly arrays: Readonly<Record<string, NdArray>>; readonly rows: number | undefined } {
  const kept = keptNames(step).map((name) => {
    return [name, ofModels(checkpoints.map((checkpoint, model) => keptArray(step, checkpoint, name, model)))] as const;
  });
  const carried = checkpoints.map((checkpoint) => carriedState(checkpoint, stateShapes));
  const rows = carried[0]?.rows;
  if (carried.some((each) => each.rows !== rows))
    throw new UserError("restore: the models were at different batches; give checkpoints of the same step");
  const states = (rows === undefined ? [] : step.state).map((name, i) => {
    return [name, ofModels(carried.map((each) => at(each.states, i)[1]))] as const;
  });
  return { arrays: Object.fromEntries([...kept, ...states]), rows };
}

function keptArray({ arena }: TrainingStep, checkpoint: Checkpoint, name: string, model: number): NdArray {
  const shape = keptShape(name, arena);
  const value = typeof checkpoint === "object" && checkpoint !== null ? keptValue(checkpoint, name) : undefined;
  if (value?.dtype === "f32" && value.data.length === sizeOfNumbers(shape)) return { ...value, shape };
  throw new UserError(
    `checkpoint ${model} belongs to another network or optimizer: ${name} is missing or has another shape`,
  );
}

/** The checkpoint of each model, from the arrays of all. */
export function checkpointsOf(arrays: Readonly<Record<string, NdArray>>, models: number): Checkpoint[] {
  return Array.from({ length: models }, (_, model) =>
    Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, modelOf(array, model)])),
  );
}
