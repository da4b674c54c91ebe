/** @file How numbers lie in memory, apart from the type in which they are computed: the one table of bytes and elements. */
import type { DType } from "./graph.ts";

/** What a number is stored as. */
export type Storage = DType;

/** What an array in memory is made of. */
export type Element = "f32" | "i32" | "u32";

export interface StorageForm {
  readonly element: Element;
  /** Bytes of a number. */
  readonly bytes: number;
}

/** Truth is stored as 0 or 1. */
export const storages: { readonly [K in Storage]: StorageForm } = {
  f32: { element: "f32", bytes: 4 },
  i32: { element: "i32", bytes: 4 },
  u32: { element: "u32", bytes: 4 },
  bool: { element: "u32", bytes: 4 },
};
