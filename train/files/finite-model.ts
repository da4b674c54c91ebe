/** @file Rejects models with NaN or infinite numbers: every result of such a model would be NaN or infinite too. */
import { UserError } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { TrainingRecord } from "./model-fields.ts";

/** Throws a UserError that names the first array with a number that is not finite in f32. */
export function checkFiniteArrays(arrays: Readonly<Record<string, NdArray>>): void {
  for (const [name, { data }] of Object.entries(arrays)) {
    const bad = data.filter((value) => !isFiniteInF32(value));
    if (bad.length === 0) continue;
    const count = data.length === 1 ? "it" : `${bad.length} of its ${data.length} numbers`;
    throw new UserError(
      `${JSON.stringify(name.slice(0, 60))} is damaged: ${count} ${bad.length === 1 ? "is" : "are"} not finite (${bad[0]})`,
    );
  }
}

/** Throws a UserError if a loss in the training record is not finite: such a model is not worth saving. */
export function checkFiniteRecord(training: TrainingRecord): void {
  const bad = Object.entries(training).find(([, value]) => typeof value === "number" && !isFiniteInF32(value));
  if (bad === undefined) return;
  const [name, value] = bad;
  const field = /^\w+$/.test(name) ? `.${name}` : `[${JSON.stringify(name.slice(0, 60))}]`;
  throw new UserError(`training${field} is ${value}; save the weights of a step with a finite loss instead`);
}

/** Whether a number is finite in f32, in which devices compute. */
export function isFiniteInF32(value: number): boolean {
  return Number.isFinite(Math.fround(value));
}
