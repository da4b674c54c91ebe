/** @file The entry "cellgrad/layers": directions, depth, masks, dropout, and custom loops. */

export { bernoulli, fork, type Randomness, randomness, stepKey } from "../compiler/dsl/randomness.ts";
export {
  type RecurrenceOptions,
  type RecurrenceResult,
  recurrence,
  stepNumbers,
} from "../compiler/dsl/recurrence.ts";
export * from "../train/layers/depth.ts";
export { dropout, variationalDropout } from "../train/layers/dropout.ts";
export * from "../train/layers/feeding.ts";
export * from "../train/layers/initial-state.ts";
export {
  type BidirectionalOptions,
  bidirectional,
  type CellOptions,
  type Layer,
  type LayerContext,
  type LayerResult,
  type LayerState,
  type Merge,
  type RecurrentOptions,
  recurrent,
} from "../train/layers/layer.ts";
export * from "../train/layers/lengths.ts";
export { type RecurrentDropoutOptions, recurrentDropout } from "../train/layers/recurrent-dropout.ts";
export { type StateRates, zoneout } from "../train/layers/zoneout.ts";
