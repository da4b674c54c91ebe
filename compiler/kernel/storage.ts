/** @file Conversions between stored numbers and values of a kernel, and the size of a kernel's own arrays. */
import { type Element, type Storage, storages } from "../graph/storage.ts";
import type { Expressions } from "./expressions.ts";
import type { Expr, LocalArray, Type } from "./ir.ts";

/** Converts a loaded number to the type of its value. A slab of u32 holds i32 and bool too. */
export function fromStorage(e: Expressions, stored: Expr, storage: Storage): Expr {
  if (storage === "bool") return e.notEqual(stored, e.u32(0));
  return e.bitcast(stored, storage);
}

/** Converts a value to the element type of an array. */
export function toStorage(e: Expressions, value: Expr, element: Element): Expr {
  return value.type === "bool" ? e.select(value, e.u32(1), e.u32(0)) : e.bitcast(value, element);
}

const components: Partial<Record<Type, number>> = { f32x4: 4 };

/** Bytes of an array. */
export function bytesOf({ element, length, slots }: LocalArray): number {
  const storage = element === "f32x4" ? "f32" : element;
  return storages[storage].bytes * (components[element] ?? 1) * length * slots;
}
