/** @file The entry "cellgrad/losses": losses and metrics. */
export { binaryCrossEntropy, type CrossEntropyOptions, crossEntropy } from "../train/losses/classification.ts";
export { type CtcOptions, ctc } from "../train/losses/ctc.ts";
export type { LossOptions } from "../train/losses/masked.ts";
export {
  type BivariateMixture,
  bivariateMixture,
  bivariateMixtureLoss,
  type GaussianMixture,
  gaussianMixture,
  gaussianMixtureLoss,
} from "../train/losses/mixture-density.ts";
export {
  type HuberOptions,
  huber,
  meanAbsoluteError,
  meanSquaredError,
  weightedSquaredError,
} from "../train/losses/regression.ts";
export { accuracy, bitsPerCharacter, type Metric, perplexity } from "../train/metrics.ts";
