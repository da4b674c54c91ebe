/**
 * @file The form of an expression's value for the four lanes of a workgroup: one number for all, an integer that grows
 * by a constant from lane to lane, or a vector with one number per lane.
 */
import type { Scalar, Type } from "../compiler/kernel/ir.ts";
import * as code from "./code.ts";
import type { Instruction, ValueType } from "./instruction.ts";
import type { Sum } from "./sum.ts";
import type { FunctionWriter } from "./writer.ts";

/** Lanes of a workgroup: components of a vector. */
export const lanes = 4;

export type Value =
  /** f32, i32 or bool (0 or 1), the same for all lanes. */
  | {
      readonly kind: "scalar";
      readonly code: Instruction /** The number in all lanes, if it was loaded that way. */;
      readonly splat?: Instruction;
    }
  /** u32: the sum in the first lane, plus `stride` for each further lane. */
  | { readonly kind: "index"; readonly sum: Sum; readonly stride: number }
  /** One number per lane; a bool has all bits set or none. */
  | { readonly kind: "vector"; readonly code: Instruction };

export const isUniform = (value: Value): boolean =>
  value.kind === "scalar" || (value.kind === "index" && value.stride === 0);

/** A value as a vector. */
export function vectorOf(w: FunctionWriter, value: Value, type: Type): Instruction {
  if (value.kind === "vector") return value.code;
  if (value.kind === "scalar") return value.splat ?? splat(value.code, type);
  const first = code.op("i32x4.splat", w.value(value.sum));
  if (value.stride === 0) return first;
  return code.op("i32x4.add", first, code.words([0, 1, 2, 3].map((i) => i * value.stride)));
}

function splat(scalar: Instruction, type: Type): Instruction {
  if (type === "bool") return code.op("i32x4.splat", code.op("i32.sub", code.i32(0), scalar));
  if (type !== "f32") return code.op("i32x4.splat", scalar);
  if (scalar.kind === "plain" && scalar.op === "f32.load") return { ...scalar, op: "v128.load32_splat" };
  return code.op("f32x4.splat", scalar);
}

/** A value that is the same for all lanes, as one number. */
export function scalarOf(w: FunctionWriter, value: Value): Instruction {
  return value.kind === "index" ? w.value(value.sum) : value.code;
}

export function scalarType(type: Type): ValueType {
  return type === "f32" ? "f32" : "i32";
}

/** Prefixes of instruction names, for scalars and vectors. */
export const prefix: Record<Scalar, { readonly scalar: string; readonly vector: string }> = {
  f32: { scalar: "f32", vector: "f32x4" },
  i32: { scalar: "i32", vector: "i32x4" },
  u32: { scalar: "i32", vector: "i32x4" },
  bool: { scalar: "i32", vector: "i32x4" },
};
