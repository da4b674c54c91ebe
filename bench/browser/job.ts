/** @file The jobs of the page, and the messages it sends back. */
import type { ColdTiming, Timing } from "../measure/measure.ts";
import type { CellName } from "../measure/workload.ts";

export type ContenderName = "cellgrad" | "jax-js" | "tfjs";

export interface Job {
  readonly kind: "steady" | "cold";
  readonly cell: CellName;
  readonly time: number;
  readonly contenders: readonly ContenderName[];
  readonly rounds: number;
  readonly warmups: number;
}

export interface ContenderInfo {
  readonly name: string;
  readonly version: string;
  readonly work: string;
  readonly adapter: string;
}

export type Message =
  | { readonly kind: "say"; readonly words: string }
  | { readonly kind: "error"; readonly message: string; readonly disagreement: boolean }
  | { readonly kind: "steady"; readonly contenders: readonly ContenderInfo[]; readonly timings: readonly Timing[] }
  | { readonly kind: "cold"; readonly contenders: readonly ContenderInfo[]; readonly timing: ColdTiming };
