/**
 * @file How numbers are stored in memory, as opposed to the type they are computed in: the one table of bytes and
 * elements.
 */
import type { DType } from "./graph.ts";

/** The type a number is stored as. */
export type Storage = DType;

/** The element type of an array in memory. */
export type Element = "f32" | "i32" | "u32";

export interface StorageForm {
  readonly element: Element;
  /** Bytes per number. */
  readonly bytes: number;
}

/** A bool is stored as 0 or 1. */
export const storages: { readonly [K in Storage]: StorageForm } = {
  f32: { element: "f32", bytes: 4 },
  i32: { element: "i32", bytes: 4 },
  u32: { element: "u32", bytes: 4 },
  bool: { element: "u32", bytes: 4 },
};
