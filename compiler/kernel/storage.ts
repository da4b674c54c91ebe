/** @file Bytes of an element where it lies in memory. */
import type { Type } from "./ir.ts";

/** bool is stored as u32. */
export const bytesOf: Readonly<Record<Type, number>> = { f32: 4, i32: 4, u32: 4, bool: 4, f32x4: 16 };
