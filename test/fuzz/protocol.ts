/** @file What passes between `npm run fuzz` and a host that runs the fuzz, as lines of JSON. */

import type { ScanScheduleName } from "../../compiler/plan/scan/names.ts";

/** What is drawn. */
export type Kind = "cell" | "training";

/**
 * Which devices check: the CPU, a graphics card, what imitates one, or the CPU and what there is of WebGPU. The evaluator
 * runs kernels of a GPU in JavaScript, and finds what a device hides.
 */
export const fuzzDevices = ["cpu", "gpu", "software", "all", "evaluator"] as const;
export type FuzzDevice = (typeof fuzzDevices)[number];

/** What a host is asked to do. */
export interface FuzzJob {
  readonly device: FuzzDevice;
  readonly seed: number;
  /** Cells that are checked at the least, 1 or more, though the minutes are over. */
  readonly minutes: number;
  readonly cells?: number;
  /** Cells for each training run, and for each check of second order; 0 for none. */
  readonly training: number;
  readonly second: number;
  /** Cells are recurrent networks, and run in this schedule with a GPU's rules wherever they can. */
  readonly forced?: Forced;
}

export interface Forced {
  readonly schedule: ScanScheduleName;
  /** Elements of a value, at most. */
  readonly widest: number;
}

/** What a host can be given to do: fuzz, or check an entry of the corpus again. */
export type HostJob = { readonly fuzz: FuzzJob } | { readonly replay: Entry };

/** What was checked so far. */
export interface Totals {
  readonly cells: number;
  readonly cellsDiscarded: number;
  /** Cells whose second order was compared too. */
  readonly secondOrder: number;
  readonly trainings: number;
  readonly trainingsDiscarded: number;
  readonly failures: number;
  readonly minutes: number;
  /** Of a forced schedule: what became of the loops of the cells. */
  readonly taken?: Taken;
}

/** How many cells and loops ran in the schedule that was forced, and why the other loops did not. */
export interface Taken {
  /** Cells of which at least one loop did. */
  readonly cells: number;
  readonly loops: number;
  /** Lanes of the widest workgroup among all loops. */
  readonly lanes: number;
  /** Loops by what they were refused for, with N for every number. */
  readonly refused: Readonly<Record<string, number>>;
}

/** What failed, shrunk, with its source. */
export interface Failure {
  readonly kind: Kind;
  readonly seed: number;
  /** The error's message. */
  readonly found: string;
  readonly plan: unknown;
  readonly source: string;
}

export type FuzzEvent =
  | { readonly event: "device"; readonly name: string }
  /** Told before, so that it is known what a host was at that is gone. */
  | { readonly event: "checking"; readonly kind: Kind; readonly seed: number }
  | { readonly event: "progress" | "done"; readonly totals: Totals }
  | ({ readonly event: "failure" } & Failure)
  /** An entry was replayed: what does not hold, if anything. */
  | { readonly event: "replayed"; readonly wrong?: string };

export type Tell = (event: FuzzEvent) => void;

/** A file of the corpus. */
export interface Entry {
  readonly kind: Kind;
  /** What failed, or why it was chosen. */
  readonly found: string;
  /** Where it failed; in Node if nothing is said. */
  readonly host?: HostName;
  /** The schedule that was forced, with a GPU's rules. */
  readonly forced?: ScanScheduleName;
  /** Whether f32 need not determine it: what it tries is that rounding is not taken for a mistake. */
  readonly mayBeDiscarded?: boolean;
  readonly plan: unknown;
}

/** Where the fuzz can run. */
export const hostNames = ["node", "deno", "chromium"] as const;
export type HostName = (typeof hostNames)[number];

const mark = '{"event":';

/** An event as a line that `eventIn` finds among whatever else a host prints. */
export const lineOf = (event: FuzzEvent): string => JSON.stringify(event);

/** The event of a line, if it is one. */
export function eventIn(line: string): FuzzEvent | undefined {
  return line.startsWith(mark) ? (JSON.parse(line) as FuzzEvent) : undefined;
}
