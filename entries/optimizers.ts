/**
 * @file The entry "cellgrad/optimizers": more optimizers, weight decay, averages of the weights, and learning rate
 * schedules.
 */

export { type Arena, type ArenaEntry, perParameter } from "../train/arena.ts";
export {
  type AdagradOptions,
  adagrad,
  type LionOptions,
  lion,
  type RmsPropOptions,
  rmsProp,
} from "../train/optimizers/adaptive.ts";
export { type AdamWOptions, adamW, type MomentumOptions, momentum } from "../train/optimizers/gradient-descent.ts";
export { type Plateau, type PlateauOptions, plateau } from "../train/optimizers/plateau.ts";
export {
  constantRate,
  cosineDecay,
  type DecayOptions,
  factorsOf,
  linearDecay,
  type Schedule,
  type StepDecayOptions,
  stepDecay,
  warmUp,
} from "../train/optimizers/schedules.ts";
export { averagedParameters, withAverage } from "../train/optimizers/weight-average.ts";
export {
  type DecayGroup,
  matrices,
  type WeightDecayOptions,
  withWeightDecay,
} from "../train/optimizers/weight-decay.ts";
