/** @file Abstract values: what is known about a tensor before the program runs. */
import type { Shape } from "./dim.ts";

/** The element type of a tensor. Devices compute f32 in f32 and store bool as u32. */
export type DType = "f32" | "i32" | "u32" | "bool";

export function isDType(value: unknown): value is DType {
  return value === "f32" || value === "i32" || value === "u32" || value === "bool";
}

/** What is known about a value before it is computed: its dtype and shape. */
export interface Aval<D extends DType = DType> {
  /** The element type. */
  readonly dtype: D;
  /** The dimensions, slowest-varying first. */
  readonly shape: Shape;
}

export function formatAval(aval: Aval): string {
  return `${aval.dtype}[${aval.shape.join(",")}]`;
}

export function sameAval(a: Aval, b: Aval): boolean {
  return a.dtype === b.dtype && a.shape.length === b.shape.length && a.shape.every((d, i) => d === b.shape[i]);
}
