/** @file Models hold finite numbers alone: what is NaN or infinite was not learned, and makes all that is computed from it so. */
import { UserError } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { TrainingRecord } from "./model-fields.ts";

/** Throws a UserError that names the first array of which a number is not finite in f32. */
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

/** Throws a UserError where a loss of the run that made a model is not finite: nothing was learned that is worth a file. */
export function checkFiniteRecord(training: TrainingRecord): void {
  const bad = Object.entries(training).find(([, value]) => typeof value === "number" && !isFiniteInF32(value));
  if (bad === undefined) return;
  throw new UserError(`training.${bad[0]} is ${bad[1]}; keep weights of a step whose loss was finite instead`);
}

/** Whether a device, which computes in f32, has it as a finite number. */
export function isFiniteInF32(value: number): boolean {
  return Number.isFinite(Math.fround(value));
}
