/**
 * @file The binary encoding of numbers: the dtypes of safetensors, and the dtype that each is read as. The dtypes of arrays
 * can also be written; narrower ones are read exactly, and wider ones if every number fits into 32 bits.
 */
import type { DType } from "../../compiler/graph/graph.ts";

/** One dtype of the format. */
export interface Storage {
  /** The dtype it is read as. */
  readonly dtype: DType;
  readonly bytes: number;
  readonly get: (view: DataView, position: number) => number;
  /** Only for dtypes that are written. */
  readonly set?: (view: DataView, position: number, value: number) => void;
  /** Whether a number fits into `dtype`; absent if all do. */
  readonly fits?: (value: number) => boolean;
}

const within = (low: number, high: number) => (value: number) => value >= low && value <= high;

/** By the names of the format. */
export const storages: Readonly<Record<string, Storage>> = {
  F32: { dtype: "f32", bytes: 4, get: (v, p) => v.getFloat32(p, true), set: (v, p, x) => v.setFloat32(p, x, true) },
  I32: { dtype: "i32", bytes: 4, get: (v, p) => v.getInt32(p, true), set: (v, p, x) => v.setInt32(p, x, true) },
  U32: { dtype: "u32", bytes: 4, get: (v, p) => v.getUint32(p, true), set: (v, p, x) => v.setUint32(p, x, true) },
  BOOL: { dtype: "bool", bytes: 1, get: (v, p) => Number(v.getUint8(p) !== 0), set: (v, p, x) => v.setUint8(p, x) },
  F16: { dtype: "f32", bytes: 2, get: (v, p) => half(v.getUint16(p, true)) },
  BF16: { dtype: "f32", bytes: 2, get: (v, p) => brainHalf(v.getUint16(p, true)) },
  // A finite F64 fits into f32, unless it rounds to infinity.
  F64: {
    ...{ dtype: "f32", bytes: 8, get: (v, p) => v.getFloat64(p, true) },
    fits: (value) => Number.isFinite(Math.fround(value)) || !Number.isFinite(value),
  },
  I64: { dtype: "i32", bytes: 8, get: (v, p) => Number(v.getBigInt64(p, true)), fits: within(-(2 ** 31), 2 ** 31 - 1) },
  U64: { dtype: "u32", bytes: 8, get: (v, p) => Number(v.getBigUint64(p, true)), fits: within(0, 2 ** 32 - 1) },
  I16: { dtype: "i32", bytes: 2, get: (v, p) => v.getInt16(p, true) },
  U16: { dtype: "i32", bytes: 2, get: (v, p) => v.getUint16(p, true) },
  I8: { dtype: "i32", bytes: 1, get: (v, p) => v.getInt8(p) },
  U8: { dtype: "i32", bytes: 1, get: (v, p) => v.getUint8(p) },
};

/** Decodes binary16 (IEEE 754): 1 bit of sign, 5 of exponent, 10 of fraction. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 0x1f, bits & 0x3ff];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const scratch = new DataView(new ArrayBuffer(4));

/** Decodes bfloat16: the upper half of an f32. */
function brainHalf(bits: number): number {
  scratch.setUint32(0, bits * 2 ** 16);
  return scratch.getFloat32(0);
}
