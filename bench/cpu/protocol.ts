/**
 * @file The protocol between the benchmark and a contender's process: one line of JSON per message, requests on the
 * process's standard input, answers on its standard output. The process first sends its facts, when its library is ready.
 */

export type Request =
  /** Runs steps, from the initial weights or from the state after the last request. */
  { readonly kind: "steps"; readonly count: number } | { readonly kind: "end" };

export interface Facts {
  readonly version: string;
  readonly work: string;
  /** Device, BLAS and threads, as the library describes them. */
  readonly runsOn: string;
}

export interface Steps {
  /** The loss of each step, before its update. */
  readonly losses: readonly number[];
  /** Milliseconds of each step, until its loss was read. */
  readonly milliseconds: readonly number[];
}

/** Why it cannot continue, in one line. */
export interface Fault {
  readonly fault: string;
}

export type Answer = Facts | Steps | Fault;

/** Contenders of contender.mjs. */
export type ScriptName =
  | "cellgrad-cpu-1"
  | "cellgrad-cpu-2"
  | "cellgrad-software"
  | "jax-js"
  | "tfjs-cpu"
  | "tfjs-wasm";

/** The same as in peers.py. */
export const learningRate = 1e-3;
