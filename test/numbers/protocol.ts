/** @file What a host says of a measurement, as lines of JSON. */
import type { Measurement } from "./measure.ts";

export type Said = { readonly done: number } | { readonly measured: Measurement };

/** NaN and infinity are no JSON. */
const asText = (_: string, value: unknown) =>
  typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0)) ? { number: Object.is(value, -0) ? "-0" : String(value) } : value;
const asNumber = (_: string, value: unknown) =>
  typeof value === "object" && value !== null && "number" in value ? Number(value.number) : value;

const mark = "ulp: ";

export const lineOf = (said: Said): string => mark + JSON.stringify(said, asText);

export function saidIn(line: string): Said | undefined {
  return line.startsWith(mark) ? (JSON.parse(line.slice(mark.length), asNumber) as Said) : undefined;
}
