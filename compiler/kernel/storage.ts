/** @file Numbers of memory as values of a kernel, and back; and what a kernel's own arrays take. */
import { type Element, type Storage, storages } from "../graph/storage.ts";
import type { Expressions } from "./expressions.ts";
import type { Expr, LocalArray, Type } from "./ir.ts";

/** What was loaded, as a value of the type that it is stored for. A slab of integers holds i32 too. */
export function fromStorage(e: Expressions, stored: Expr, storage: Storage): Expr {
  if (storage === "bool") return e.notEqual(stored, e.u32(0));
  return e.bitcast(stored, storage);
}

/** A value as what an array is made of. */
export function toStorage(e: Expressions, value: Expr, element: Element): Expr {
  return value.type === "bool" ? e.select(value, e.u32(1), e.u32(0)) : e.bitcast(value, element);
}

const components: Partial<Record<Type, number>> = { f32x4: 4 };

/** Bytes that an array takes. */
export function bytesOf({ element, length, slots }: LocalArray): number {
  const storage = element === "f32x4" ? "f32" : element;
  return storages[storage].bytes * (components[element] ?? 1) * length * slots;
}
