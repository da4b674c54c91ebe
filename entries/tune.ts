/** @file The entry "cellgrad/tune": a measured search for faster kernels. */
export { checkedTuning, type Tuning, tuningGrid } from "../compiler/plan/tuning.ts";
export type { Tuned } from "../train/files/tuned.ts";
export { type Measurement, type TuneOptions, type TuneProgress, type TuneResult, tune } from "../train/tune.ts";
