/** @file What each library has to offer to take part: it prepares the workload and steps through it, one step at a time. */
import type { Workload } from "./workload.ts";

export interface Run {
  /**
   * One step, waited for until the device has finished it and its loss is here. The loss is that of the weights before
   * this step's update.
   */
  readonly step: () => Promise<number>;
  /** Global norm of the gradient at the initial weights. */
  readonly gradientNorm: () => Promise<number>;
  readonly dispose: () => void;
  /** Milliseconds from the traced graph until all pipelines were ready, where the library can tell. */
  readonly compileMs?: number;
}

export interface Contender {
  readonly name: string;
  /** What its step does, for the table. */
  readonly work: string;
  readonly version: string;
  /** Opens its device. Not measured. */
  readonly open: () => Promise<void>;
  /** Name of the adapter, once open. */
  readonly adapter: () => string;
  readonly prepare: (workload: Workload) => Promise<Run>;
}
