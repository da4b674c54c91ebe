/** @file The result of a training step, from the numbers that the step returns. */
import { isFiniteInF32 } from "./files/finite-model.ts";
import type { TrainingStepResult } from "./trainer-interface.ts";

/**
 * `metrics` are those of `trainingStep`: loss, gradient norm, 1 if the update was applied, and in mixed precision 1 if it was
 * skipped. `before` is the result of the step before, which can have stopped training already.
 */
export function stepResult(
  step: number,
  metrics: ArrayLike<number>,
  before: TrainingStepResult | undefined,
): TrainingStepResult {
  const { 0: loss = Number.NaN, 1: gradientNorm = Number.NaN, 2: applied = 0, 3: skipped = 0 } = metrics;
  if (applied === 1) return { step, loss, gradientNorm, finite: true };
  if (skipped === 1) return { step, loss, gradientNorm, finite: true, skipped: true };
  if (before?.firstBad !== undefined && before.firstBadStep !== undefined) {
    const { firstBad, firstBadStep } = before;
    return { step, loss, gradientNorm, finite: false, firstBad, firstBadStep };
  }
  const firstBad = !isFiniteInF32(loss) ? "loss" : isFiniteInF32(gradientNorm) ? "update" : "gradient norm";
  return { step, loss, gradientNorm, finite: false, firstBad, firstBadStep: step };
}
