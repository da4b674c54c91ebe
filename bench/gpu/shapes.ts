/** @file The timed cells and sizes, and the formulas for their numbers (the same as in peers.py). */
import minimalGatedUnit from "../../examples/minimal-gated-unit.ts";
import { type CellDefinition, gruResetAfter, lstm, rnn } from "../../index.ts";

/** `gru` is cuDNN's form, whose reset gate acts after the product. */
export const gpuCells: Readonly<Record<string, CellDefinition>> = {
  rnn: rnn as CellDefinition,
  lstm: lstm as CellDefinition,
  gru: gruResetAfter as CellDefinition,
  "minimal-gated-unit": minimalGatedUnit as CellDefinition,
};

export interface Grid {
  readonly cells: readonly string[];
  readonly units: readonly number[];
  readonly batch: readonly number[];
  readonly time: readonly number[];
}

export const fullGrid: Grid = {
  cells: Object.keys(gpuCells),
  units: [64, 128, 256, 512, 1024],
  batch: [16, 64, 256],
  time: [100, 1000],
};

export const smokeGrid: Grid = { cells: Object.keys(gpuCells), units: [16], batch: [4], time: [8] };

/** One measurement: one line of the results. */
export interface Line {
  readonly who: string;
  readonly cell: string;
  readonly units: number;
  readonly batch: number;
  readonly time: number;
  readonly pass: "forward" | "forward+backward";
  readonly device: string;
  readonly version: string;
  readonly medianMs?: number;
  readonly minMs?: number;
  readonly repeats?: number;
  /** Root mean squares of the first numbers of each result, for comparing libraries. */
  readonly check?: Readonly<Record<string, number>>;
  /** Why there is no time. */
  readonly skipped?: string;
  /** cellgrad only. */
  readonly schedules?: readonly string[];
  readonly dispatches?: number;
  readonly compileMs?: number;
}

/** Most numbers of an array that are checked. */
export const checkedNumbers = 65536;

/** Seeds of parameters depend on the last two parts of their path; x and the cotangent have fixed seeds. */
const gateNames = ["hidden", "input", "forget", "output", "candidate", "update", "reset", "recurrent"];
export const seeds = { x: 1, cotangent: 2 };

export function seedOf(path: string): number {
  const [gate = "", kind] = path.split("/").slice(-2);
  const index = gateNames.indexOf(gate);
  if (index < 0) throw new Error(`parameter ${path} has no seed`);
  return (kind === "kernel" ? 10 : 50) + index;
}

/** Hashes a counter: uniform in [-0.5, 0.5). */
export function uniform(index: number, seed: number): number {
  let h = (Math.imul(index + 1, 2654435761) + Math.imul(seed, 2246822519)) >>> 0;
  h = Math.imul(h ^ (h >>> 15), 2246822519) >>> 0;
  h = Math.imul(h ^ (h >>> 13), 3266489917) >>> 0;
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32 - 0.5;
}

/** Large arrays repeat after this many numbers. */
const period = 65537;

export function filled(size: number, seed: number, scale: number): Float32Array<ArrayBuffer> {
  const data = new Float32Array(size);
  const first = Math.min(size, period);
  for (let i = 0; i < first; i++) data[i] = scale * uniform(i, seed);
  for (let done = first; done < size; done *= 2) data.copyWithin(done, 0, Math.min(done, size - done));
  return data;
}
