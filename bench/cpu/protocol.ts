/**
 * @file What the benchmark and a contender's process say to each other: a line of JSON each, requests on the process's
 * standard input, an answer to each on its standard output. A process greets first, when its library is ready.
 */

export type Request =
  /** Steps from the case's initial weights on, or from where the last request left them. */
  { readonly kind: "steps"; readonly count: number } | { readonly kind: "end" };

export interface Facts {
  readonly version: string;
  readonly work: string;
  /** What it runs on, in its library's own words: device, BLAS, threads. */
  readonly runsOn: string;
}

export interface Steps {
  /** The loss of each step, before its update. */
  readonly losses: readonly number[];
  /** How long each took, until its loss had been read. */
  readonly milliseconds: readonly number[];
}

/** Why it cannot go on: one line. */
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

/** peers.py has the same. */
export const learningRate = 1e-3;
