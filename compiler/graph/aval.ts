/** @file Abstract values: what is known of a tensor before running. */
import type { Shape } from "./dim.ts";

/** What the elements of a tensor are. On a device, f32 is computed in f32, and bool is stored as u32. */
export type DType = "f32" | "i32" | "u32" | "bool";

export function isDType(value: unknown): value is DType {
  return value === "f32" || value === "i32" || value === "u32" || value === "bool";
}

/** What is known of a value before it exists: its dtype and its shape. */
export interface Aval<D extends DType = DType> {
  /** What the elements are. */
  readonly dtype: D;
  /** The dimensions, slowest first. */
  readonly shape: Shape;
}

export function formatAval(aval: Aval): string {
  return `${aval.dtype}[${aval.shape.join(",")}]`;
}

export function sameAval(a: Aval, b: Aval): boolean {
  return a.dtype === b.dtype && a.shape.length === b.shape.length && a.shape.every((d, i) => d === b.shape[i]);
}
