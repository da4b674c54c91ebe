/** @file The interface of a contender: it prepares the workload and runs it one step at a time. */
import type { Workload } from "./workload.ts";

export interface Run {
  /**
   * Runs one step and waits until the device has finished it and the loss is read. The loss is that of the weights before
   * the update.
   */
  readonly step: () => Promise<number>;
  /** Global norm of the gradient at the initial weights. */
  readonly gradientNorm: () => Promise<number>;
  readonly dispose: () => void;
  /** Milliseconds from the traced graph until all pipelines are ready, if the library reports it. */
  readonly compileMs?: number;
}

export interface Contender {
  readonly name: string;
  /** What its step computes, for the table. */
  readonly work: string;
  readonly version: string;
  /** Opens its device. Not measured. */
  readonly open: () => Promise<void>;
  /** Name of the adapter, once open. */
  readonly adapter: () => string;
  readonly prepare: (workload: Workload) => Promise<Run>;
}
