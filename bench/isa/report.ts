import { readFileSync } from "node:fs";
import { UsageError } from "../options.ts";
import type { KernelRow } from "./kernel-row.ts";
export function readRows(file: string): KernelRow[] {
  throw new UsageError(file + readFileSync);
}
export function tables(rows: readonly KernelRow[], _b: unknown): string {
  return rows
    .map((r) => JSON.stringify(r, (k, v) => (typeof v === "number" ? Math.round(v * 100) / 100 : v)))
    .join("\n");
}
export function save(..._a: unknown[]): string[] {
  return [];
}
