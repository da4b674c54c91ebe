/** @file The record of a training run in a model file, from which the run can be resumed; reading validates it. */
import { UserError } from "../../compiler/graph/errors.ts";

/** A run of training so far. */
export interface RunRecord {
  /** Number of updates so far. */
  readonly steps: number;
  /** Number of planned updates: the length of the learning rate's schedule. */
  readonly planned: number;
  /** Rows of a batch, and its time steps. */
  readonly batch: number;
  readonly time: number;
  readonly seed: number;
  readonly learningRate: number;
  /** Settings of the update rule, such as the optimizer's name. */
  readonly update: Readonly<Record<string, string | number>>;
  /** Fingerprint of the training data: differs for another or a changed file. */
  readonly data: string;
  /** Steps between measurements of the held-out loss; and how many in a row without improvement end the run. */
  readonly every?: number;
  readonly patience?: number;
  /** Maximum number of batches for each measurement; 0 for all. */
  readonly evalBatches?: number;
  /** The measured held-out losses, one every `every` steps. */
  readonly losses: readonly number[];
}

const longestText = 200;
const mostLosses = 1_000_000;

/** Reads a run record from a file. Throws a UserError of one line if it is invalid. */
export function checkedRun(value: unknown): RunRecord {
  if (!isRecord(value)) return damaged("an object");
  const { steps, planned, batch, time, seed, learningRate, update, data, every, patience, losses } = value;
  const { evalBatches } = value;
  if (evalBatches !== undefined && evalBatches !== 0 && !isCount(evalBatches)) return damaged("a count of batches");
  if (![steps, planned, batch, time].every(isCount)) return damaged("counts above 0");
  if (![every, patience].every((count) => count === undefined || isCount(count))) return damaged("counts above 0");
  if (!(Number.isInteger(seed) && Number(seed) >= 0 && Number(seed) < 2 ** 32)) return damaged("a seed");
  if (!(typeof learningRate === "number" && learningRate > 0)) return damaged("a learning rate above 0");
  if (!(typeof data === "string" && data.length <= longestText)) return damaged("a text for its data");
  if (!(Array.isArray(losses) && losses.length <= mostLosses && losses.every(Number.isFinite)))
    return damaged("a list of losses");
  if (!(isRecord(update) && Object.values(update).every(isTextOrNumber))) return damaged("texts and numbers");
  return {
    ...{ steps: Number(steps), planned: Number(planned), batch: Number(batch), time: Number(time) },
    ...{ seed: Number(seed), learningRate, data, losses: losses.map(Number) },
    update: update as RunRecord["update"],
    ...(every !== undefined && { every: Number(every) }),
    ...(patience !== undefined && { patience: Number(patience) }),
    ...(evalBatches !== undefined && { evalBatches: Number(evalBatches) }),
  };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) > 0;

const isTextOrNumber = (value: unknown): boolean =>
  Number.isFinite(value) || (typeof value === "string" && value.length <= longestText);

function damaged(expected: string): never {
  throw new UserError(`its run is damaged; expected ${expected}`);
}
