/**
 * @file The primitives of the kernel IR on JavaScript numbers: f32 rounds after each operation, integers wrap, bool is
 * 0 or 1. Where the IR leaves an operation undefined (division by 0), this follows WGSL.
 */
import { InternalError } from "../../graph/errors.ts";
import type { Primitive, Scalar } from "../ir.ts";

/** An operation on one, two or three numbers; unary and binary ones ignore the rest. */
export type Operation = (a: number, b: number, c: number) => number;

const bits = new DataView(new ArrayBuffer(4));

const writeBits: Record<Scalar, (value: number) => void> = {
  f32: (value) => bits.setFloat32(0, value),
  i32: (value) => bits.setInt32(0, value),
  u32: (value) => bits.setUint32(0, value),
  bool: (value) => bits.setUint32(0, value),
};

const readBits: Record<Scalar, () => number> = {
  f32: () => bits.getFloat32(0),
  i32: () => bits.getInt32(0),
  u32: () => bits.getUint32(0),
  bool: () => Number(bits.getUint32(0) !== 0),
};

/** Converts a number to the type: f32 rounds, integers wrap. */
export const wrapped: Record<Scalar, (value: number) => number> = {
  f32: Math.fround,
  i32: (value) => value | 0,
  u32: (value) => value >>> 0,
  bool: (value) => Number(value !== 0),
};

/** Rounds halves to even. */
function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  const rounded = rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
  return rounded === 0 && (x < 0 || Object.is(x, -0)) ? -0 : rounded;
}

/** The number whose bits as f16 these are. */
function halfOf(bits: number): number {
  const [exponent, digits] = [(bits >> 10) & 31, bits & 1023];
  const sign = bits >> 15 === 0 ? 1 : -1;
  if (exponent === 31) return digits === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? digits * 2 ** -24 : (1024 + digits) * 2 ** (exponent - 25));
}

/** The bits of a number as f16; throws for one that f16 does not have. */
function bitsOfHalf(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(x);
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude)));
  const digits = magnitude * 2 ** (10 - exponent);
  const bits =
    magnitude === Number.POSITIVE_INFINITY ? 0x7c00 : digits < 1024 ? digits : 1024 * (exponent + 14) + digits;
  const isHalf = Number.isInteger(bits) && (bits < 0x7c00 || magnitude === Number.POSITIVE_INFINITY);
  if (!isHalf && !Number.isNaN(x)) throw new InternalError(`${x} is packed as f16, which does not have it`);
  return Number.isNaN(x) ? 0x7e00 : sign + bits;
}

/** WGSL clamps values outside the range, and converts NaN to 0. */
function toInteger(least: number, most: number): Operation {
  return (x) => (Number.isNaN(x) ? 0 : Math.trunc(Math.min(Math.max(x, least), most)));
}

const ofFloats: Partial<Record<Primitive, Operation>> = {
  add: (a, b) => Math.fround(a + b),
  sub: (a, b) => Math.fround(a - b),
  mul: (a, b) => Math.fround(a * b),
  div: (a, b) => Math.fround(a / b),
  rem: (a, b) => Math.fround(a % b),
  neg: (a) => -a,
  abs: Math.abs,
  min: (a, b) => (b < a ? b : a),
  max: (a, b) => (a < b ? b : a),
  floor: Math.floor,
  round: roundHalfEven,
  sqrt: (a) => Math.fround(Math.sqrt(a)),
  packHalf: (low, high) => bitsOfHalf(low) + 2 ** 16 * bitsOfHalf(high),
};

const ofSigned: Partial<Record<Primitive, Operation>> = {
  add: (a, b) => (a + b) | 0,
  sub: (a, b) => (a - b) | 0,
  mul: Math.imul,
  div: (a, b) => (b === 0 ? a : (a / b) | 0),
  rem: (a, b) => (b === 0 ? 0 : (a % b) | 0),
  neg: (a) => -a | 0,
  abs: (a) => Math.abs(a) | 0,
  min: (a, b) => (b < a ? b : a),
  max: (a, b) => (a < b ? b : a),
  bitAnd: (a, b) => a & b,
  bitOr: (a, b) => a | b,
  bitXor: (a, b) => a ^ b,
  bitNot: (a) => ~a,
  shiftLeft: (a, by) => a << by,
  shiftRight: (a, by) => a >> by,
  countLeadingZeros: Math.clz32,
};

const ofUnsigned: Partial<Record<Primitive, Operation>> = {
  add: (a, b) => (a + b) >>> 0,
  sub: (a, b) => (a - b) >>> 0,
  mul: (a, b) => Math.imul(a, b) >>> 0,
  div: (a, b) => (b === 0 ? a : Math.floor(a / b)),
  rem: (a, b) => (b === 0 ? 0 : a % b),
  min: (a, b) => (b < a ? b : a),
  max: (a, b) => (a < b ? b : a),
  bitAnd: (a, b) => (a & b) >>> 0,
  bitOr: (a, b) => (a | b) >>> 0,
  bitXor: (a, b) => (a ^ b) >>> 0,
  bitNot: (a) => ~a >>> 0,
  shiftLeft: (a, by) => (a << by) >>> 0,
  shiftRight: (a, by) => a >>> by,
  countLeadingZeros: Math.clz32,
  unpackHalf: (word, half) => halfOf((word >>> (16 * half)) & 0xffff),
};

const ofBools: Partial<Record<Primitive, Operation>> = {
  not: (a) => 1 - a,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
};

const ofAll: Partial<Record<Primitive, Operation>> = {
  less: (a, b) => Number(a < b),
  lessEqual: (a, b) => Number(a <= b),
  equal: (a, b) => Number(a === b),
  notEqual: (a, b) => Number(a !== b),
};

const byType: Record<Scalar, Partial<Record<Primitive, Operation>>> = {
  f32: ofFloats,
  i32: ofSigned,
  u32: ofUnsigned,
  bool: ofBools,
};

function conversion(from: Scalar, to: Scalar): Operation {
  if (to === "bool") return (x) => Number(x !== 0);
  if (to === "f32") return Math.fround;
  if (from !== "f32") return wrapped[to];
  return to === "i32" ? toInteger(-(2 ** 31), 2 ** 31 - 1) : toInteger(0, 2 ** 32 - 1);
}

/** The operation of a primitive, for the scalar types of its first operand and of its result. */
export function operationOf(op: Primitive, from: Scalar, to: Scalar): Operation {
  if (op === "convert") return conversion(from, to);
  if (op === "bitcast") {
    const [write, read] = [writeBits[from], readBits[to]];
    return (x) => {
      write(x);
      return read();
    };
  }
  const operation = ofAll[op] ?? byType[from][op];
  if (operation === undefined) throw new InternalError(`${op} has no meaning for ${from}`);
  return operation;
}
