/**
 * @file The results of instructions, computed in JavaScript: one function for scalars, applied per lane for vectors.
 */
import { opcodes } from "../../wasm/opcodes.ts";

/** Vectors have an element type here, so that no NaN is read as an integer: its bits are not defined. */
export type Type = "i32" | "f32" | "i32x4" | "f32x4";
export type Value = number | readonly number[];

export interface Rule {
  readonly op: string;
  readonly operands: readonly Type[];
  readonly result: Type;
  readonly meaning: (operands: readonly Value[]) => Value;
}

type Numbers = (a: number, b: number, c: number) => number;
type Meanings = Readonly<Record<string, Numbers>>;

const { abs, floor, ceil, trunc, sqrt, round, min, max, fround, imul, clz32 } = Math;

const integers: Meanings = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: imul,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << b,
  shr_s: (a, b) => a >> b,
  shr_u: (a, b) => a >>> b,
  rotl: (a, b) => (a << (b & 31)) | (b & 31 ? a >>> (32 - (b & 31)) : 0),
  rotr: (a, b) => (a >>> (b & 31)) | (b & 31 ? a << (32 - (b & 31)) : 0),
  min_s: (a, b) => min(a, b),
  max_s: (a, b) => max(a, b),
  min_u: (a, b) => min(a >>> 0, b >>> 0),
  max_u: (a, b) => max(a >>> 0, b >>> 0),
};

const integersOfOne: Meanings = {
  clz: clz32,
  ctz: (a) => (a === 0 ? 32 : 31 - clz32(a & -a)),
  popcnt: (a) => (a >>> 0).toString(2).replaceAll("0", "").length,
  extend8_s: (a) => (a << 24) >> 24,
  extend16_s: (a) => (a << 16) >> 16,
  abs,
  neg: (a) => -a,
};

const comparisons: Meanings = {
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  lt: (a, b) => Number(a < b),
  gt: (a, b) => Number(a > b),
  le: (a, b) => Number(a <= b),
  ge: (a, b) => Number(a >= b),
};

const floats: Meanings = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: (a, b) => min(a, b),
  max: (a, b) => max(a, b),
  pmin: (a, b) => (b < a ? b : a),
  pmax: (a, b) => (a < b ? b : a),
};

const floatsOfOne: Meanings = { abs, neg: (a) => -a, sqrt, ceil, floor, trunc, nearest };

/** Rounds halves to even; a zero keeps its sign. */
function nearest(a: number): number {
  const rounded = abs(a % 1) === 0.5 ? 2 * round(a / 2) : round(a);
  return rounded === 0 ? a * 0 : rounded;
}

/** Truncates and clamps to the range; NaN becomes 0. */
function clamped(a: number, least: number, most: number): number {
  return Number.isNaN(a) ? 0 : max(least, min(most, trunc(a)));
}

const fromFloat: Meanings = {
  _s: (a) => clamped(a, -(2 ** 31), 2 ** 31 - 1),
  _u: (a) => clamped(a, 0, 2 ** 32 - 1),
};

const fromInteger: Meanings = { _s: (a) => a, _u: (a) => a >>> 0 };

function laneOf(operand: Value | undefined, lane: number): number {
  return (typeof operand === "number" ? operand : operand?.[lane]) ?? Number.NaN;
}

/** Vectors are computed per lane, and a scalar operand applies to all lanes. */
function rule(op: string, operands: readonly Type[], result: Type, meaning: Numbers): Rule {
  const rounded = (value: number) => (result.startsWith("i32") ? value | 0 : fround(value));
  const ofLane = (values: readonly Value[], lane: number) =>
    rounded(meaning(laneOf(values[0], lane), laneOf(values[1], lane), laneOf(values[2], lane)));
  return {
    ...{ op, operands, result },
    meaning: (values) => (result.endsWith("x4") ? [0, 1, 2, 3].map((lane) => ofLane(values, lane)) : ofLane(values, 0)),
  };
}

function whole(op: string, result: Type, meaning: (lanes: readonly number[]) => number): Rule {
  const lanes = (value: Value | undefined) => [0, 1, 2, 3].map((lane) => laneOf(value, lane));
  return { op, operands: ["i32x4"], result, meaning: ([value]) => meaning(lanes(value)) };
}

const kinds = ["i32", "f32", "i32x4", "f32x4"] as const;
const isInteger = (type: Type) => type.startsWith("i32");

function arithmetic(type: Type): Rule[] {
  const two = Object.entries(isInteger(type) ? integers : floats).map(([name, meaning]) =>
    rule(`${type}.${name}`, [type, name.startsWith("sh") && type === "i32x4" ? "i32" : type], type, meaning),
  );
  const one = Object.entries(isInteger(type) ? integersOfOne : floatsOfOne).map(([name, meaning]) =>
    rule(`${type}.${name}`, [type], type, meaning),
  );
  return [...two, ...one];
}

/** True is 1 for scalars, and all bits set for lanes. */
function compared(type: Type): Rule[] {
  const isVector = type.endsWith("x4");
  return Object.entries(comparisons).flatMap(([name, meaning]) => {
    const of = (suffix: string, shift: (a: number) => number) =>
      rule(`${type}.${name}${suffix}`, [type, type], isVector ? "i32x4" : "i32", (a, b) => {
        const truth = meaning(shift(a), shift(b), 0);
        return isVector ? -truth : truth;
      });
    return [of("", (a) => a), of("_s", (a) => a), of("_u", (a) => a >>> 0)];
  });
}

function converted(): Rule[] {
  return ["_s", "_u"].flatMap((sign) => {
    const [cut = nearest, exact = nearest] = [fromFloat[sign], fromInteger[sign]];
    return [
      rule(`i32.trunc_sat_f32${sign}`, ["f32"], "i32", cut),
      rule(`i32x4.trunc_sat_f32x4${sign}`, ["f32x4"], "i32x4", cut),
      rule(`f32.convert_i32${sign}`, ["i32"], "f32", exact),
      rule(`f32x4.convert_i32x4${sign}`, ["i32x4"], "f32x4", exact),
    ];
  });
}

const others: readonly Rule[] = [
  rule("i32.eqz", ["i32"], "i32", (a) => Number(a === 0)),
  rule("i32x4.splat", ["i32"], "i32x4", (a) => a),
  rule("f32x4.splat", ["f32"], "f32x4", (a) => a),
  rule("v128.not", ["i32x4"], "i32x4", (a) => ~a),
  rule("v128.and", ["i32x4", "i32x4"], "i32x4", (a, b) => a & b),
  rule("v128.andnot", ["i32x4", "i32x4"], "i32x4", (a, b) => a & ~b),
  rule("v128.or", ["i32x4", "i32x4"], "i32x4", (a, b) => a | b),
  rule("v128.xor", ["i32x4", "i32x4"], "i32x4", (a, b) => a ^ b),
  rule("v128.bitselect", ["i32x4", "i32x4", "i32x4"], "i32x4", (a, b, mask) => (a & mask) | (b & ~mask)),
  rule("select", ["i32", "i32", "i32"], "i32", (a, b, condition) => (condition === 0 ? b : a)),
  rule("select", ["f32", "f32", "i32"], "f32", (a, b, condition) => (condition === 0 ? b : a)),
  whole("v128.any_true", "i32", (lanes) => Number(lanes.some((lane) => lane !== 0))),
  whole("i32x4.all_true", "i32", (lanes) => Number(lanes.every((lane) => lane !== 0))),
  whole("i32x4.bitmask", "i32", (lanes) => lanes.reduce((mask, lane, i) => mask | (lane < 0 ? 1 << i : 0), 0)),
];

/** Rules for the instructions in the table: not every operation exists for every type. */
export const rules: readonly Rule[] = [
  ...kinds.flatMap(arithmetic),
  ...kinds.flatMap(compared),
  ...converted(),
  ...others,
].filter(({ op }) => opcodes.has(op));
