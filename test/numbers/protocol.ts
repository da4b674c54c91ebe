/** @file What passes between a test and the host that measures, as lines of JSON. */
import type { DeviceChoice } from "../../index.ts";
import type { Measurement, Sweep } from "./measure.ts";

/** The sample and the exact cases, or a sweep. */
export interface NumbersJob {
  readonly device: DeviceChoice;
  readonly sweep?: Sweep;
  /** Names of functions; all by default. */
  readonly only?: readonly string[];
}

export interface Measured {
  readonly measured: Measurement;
  /** Lines about exact cases that came out otherwise. */
  readonly inexact: readonly string[];
}

export type Said = { readonly done: number } | Measured;

const mark = "numbers: ";

/** NaN, infinities and -0 are no JSON. */
const asText = (_: string, value: unknown) =>
  typeof value === "number" && !Number.isFinite(value) ? { number: String(value) } : value;

const asNumber = (_: string, value: unknown) =>
  typeof value === "object" && value !== null && "number" in value ? Number(value.number) : value;

export const lineOf = (said: Said): string => mark + JSON.stringify(said, asText);

/** What a line says, if it is one of these. */
export function saidIn(line: string): Said | undefined {
  return line.startsWith(mark) ? (JSON.parse(line.slice(mark.length), asNumber) as Said) : undefined;
}
