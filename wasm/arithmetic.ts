/**
 * @file Primitives of the kernel IR as instructions, on scalars and vectors. Integers are divided lane by lane, since
 * WebAssembly has no vector instruction for it, and never by 0, which would trap: a quotient that no result depends on
 * can be any number.
 */
import { InternalError } from "../compiler/graph/errors.ts";
import type { Apply, Primitive, Scalar, Type } from "../compiler/kernel/ir.ts";
import * as code from "./code.ts";
import type { Instruction } from "./instruction.ts";
import { prefix } from "./values.ts";
import type { FunctionWriter } from "./writer.ts";

/** Primitives with one instruction, by operand type: its name after `f32.` or `f32x4.`. */
const named: Record<Scalar, Partial<Record<Primitive, string>>> = {
  f32: {
    ...{ add: "add", sub: "sub", mul: "mul", div: "div", neg: "neg", abs: "abs", sqrt: "sqrt", floor: "floor" },
    ...{ round: "nearest", less: "lt", lessEqual: "le", equal: "eq", notEqual: "ne" },
  },
  i32: { add: "add", sub: "sub", mul: "mul", less: "lt_s", lessEqual: "le_s", equal: "eq", notEqual: "ne" },
  u32: { add: "add", sub: "sub", mul: "mul", less: "lt_u", lessEqual: "le_u", equal: "eq", notEqual: "ne" },
  bool: { equal: "eq", notEqual: "ne" },
};

const bitwise: Partial<Record<Primitive, string>> = { bitAnd: "and", bitOr: "or", bitXor: "xor", and: "and", or: "or" };

const shifts: Record<Scalar, Partial<Record<Primitive, string>>> = {
  f32: {},
  i32: { shiftLeft: "shl", shiftRight: "shr_s" },
  u32: { shiftLeft: "shl", shiftRight: "shr_u" },
  bool: {},
};

/** Minimum and maximum of vectors; for f32, min is `b < a ? b : a`. */
const extremes: Partial<Record<Scalar, Partial<Record<Primitive, string>>>> = {
  f32: { min: "f32x4.pmin", max: "f32x4.pmax" },
  i32: { min: "i32x4.min_s", max: "i32x4.max_s" },
  u32: { min: "i32x4.min_u", max: "i32x4.max_u" },
};

const divisions: Partial<Record<Scalar, Partial<Record<Primitive, string>>>> = {
  i32: { div: "i32.div_s", rem: "i32.rem_s" },
  u32: { div: "i32.div_u", rem: "i32.rem_u" },
};

const conversions: Partial<Record<string, readonly [scalar: string, vector: string]>> = {
  "f32 i32": ["i32.trunc_sat_f32_s", "i32x4.trunc_sat_f32x4_s"],
  "f32 u32": ["i32.trunc_sat_f32_u", "i32x4.trunc_sat_f32x4_u"],
  "i32 f32": ["f32.convert_i32_s", "f32x4.convert_i32x4_s"],
  "u32 f32": ["f32.convert_i32_u", "f32x4.convert_i32x4_u"],
};

function scalarTypeOf(type: Type): Scalar {
  if (type === "f32x4") throw new InternalError("a kernel for a CPU has no f32x4 values");
  return type;
}

/** A primitive on scalars that all lanes share. */
export function ofScalars(w: FunctionWriter, expr: Apply, operands: readonly Instruction[]): Instruction {
  const { op } = expr;
  const from = scalarTypeOf(expr.operands[0]?.type ?? expr.type);
  const [a, b, c] = operands as [Instruction, Instruction, Instruction];
  const plain = named[from][op];
  if (plain !== undefined) return code.op(`${prefix[from].scalar}.${plain}`, ...operands);
  const bits = bitwise[op] ?? shifts[from][op];
  if (bits !== undefined) return code.op(`i32.${bits}`, a, b);
  const division = divisions[from]?.[op];
  if (division !== undefined) return dividing(w, from, division, a, b);
  const type = prefix[from].scalar;
  switch (op) {
    case "neg":
      return code.op("i32.sub", code.i32(0), a);
    case "abs": {
      const x = code.get(w.keep("i32", "x", a));
      return code.op("select", x, code.op("i32.sub", code.i32(0), x), code.op("i32.ge_s", x, code.i32(0)));
    }
    case "min":
    case "max": {
      const [x, y] = [
        code.get(w.keep(prefix[from].scalar as "i32" | "f32", "x", a)),
        code.get(w.keep(prefix[from].scalar as "i32" | "f32", "y", b)),
      ];
      const less = code.op(`${type}.${named[from].less}`, ...(op === "min" ? [y, x] : [x, y]));
      return code.op("select", y, x, less);
    }
    case "rem": {
      const [x, y] = [code.get(w.keep("f32", "x", a)), code.get(w.keep("f32", "y", b))];
      return code.op("f32.sub", x, code.op("f32.mul", y, code.op("f32.trunc", code.op("f32.div", x, y))));
    }
    case "not":
      return code.op("i32.eqz", a);
    case "bitNot":
      return code.op("i32.xor", a, code.i32(-1));
    case "countLeadingZeros":
      return code.op("i32.clz", a);
    case "select":
      return code.op("select", b, c, a);
    case "convert":
      return convertedScalar(from, scalarTypeOf(expr.type), a);
    case "bitcast":
      if (from === "f32") return expr.type === "f32" ? a : code.op("i32.reinterpret_f32", a);
      return expr.type === "f32" ? code.op("f32.reinterpret_i32", a) : a;
    default:
      throw new InternalError(`${op} of ${from} in a kernel for a CPU`);
  }
}

function convertedScalar(from: Scalar, to: Scalar, a: Instruction): Instruction {
  const conversion = conversions[`${from} ${to}`];
  if (conversion !== undefined) return code.op(conversion[0], a);
  if (to === "bool") {
    if (from === "bool") return a;
    return from === "f32" ? code.op("f32.ne", a, code.f32(0)) : code.op("i32.ne", a, code.i32(0));
  }
  return from === "bool" && to === "f32" ? code.op("f32.convert_i32_s", a) : a;
}

/** Division by a number that may be 0, or that may overflow for i32. */
function dividing(w: FunctionWriter, type: Scalar, name: string, a: Instruction, b: Instruction): Instruction {
  if (b.kind === "plain" && b.op === "i32.const" && b.value !== 0 && b.value !== -1) return code.op(name, a, b);
  const divisor = code.get(w.keep("i32", "divisor", b));
  const isZero = code.op("i32.eqz", divisor);
  if (type === "u32" || name === "i32.rem_s") return code.op(name, a, code.op("i32.or", divisor, isZero));
  const dividend = code.get(w.keep("i32", "dividend", a));
  const leaves = code.op(
    "i32.and",
    code.op("i32.eq", dividend, code.i32(-(2 ** 31))),
    code.op("i32.eq", divisor, code.i32(-1)),
  );
  return code.op(name, dividend, code.op("select", code.i32(1), divisor, code.op("i32.or", isZero, leaves)));
}

/** A primitive on vectors; `by` is the shift count, if it is the same for all lanes. */
export function ofVectors(
  w: FunctionWriter,
  expr: Apply,
  operands: readonly Instruction[],
  by: Instruction | undefined,
): Instruction {
  const { op } = expr;
  const from = scalarTypeOf(op === "select" ? expr.type : (expr.operands[0]?.type ?? expr.type));
  const [a, b, c] = operands as [Instruction, Instruction, Instruction];
  const type = prefix[from].vector;
  const plain = named[from][op];
  if (plain !== undefined) return code.op(`${type}.${plain}`, ...operands);
  const bits = bitwise[op];
  if (bits !== undefined) return code.op(`v128.${bits}`, a, b);
  const extreme = extremes[from]?.[op];
  if (extreme !== undefined) return code.op(extreme, a, b);
  const shift = shifts[from][op];
  if (shift !== undefined && by !== undefined) return code.op(`i32x4.${shift}`, a, by);
  if (shift !== undefined || divisions[from]?.[op] !== undefined || op === "countLeadingZeros")
    return laneByLane(w, expr, operands);
  switch (op) {
    case "neg":
    case "abs":
      return code.op(`i32x4.${op}`, a);
    case "rem": {
      const [x, y] = [code.get(w.keep("v128", "x", a)), code.get(w.keep("v128", "y", b))];
      return code.op("f32x4.sub", x, code.op("f32x4.mul", y, code.op("f32x4.trunc", code.op("f32x4.div", x, y))));
    }
    case "not":
    case "bitNot":
      return code.op("v128.not", a);
    case "select":
      return code.op("v128.bitselect", b, c, a);
    case "convert":
      return convertedVector(scalarTypeOf(expr.operands[0]?.type ?? "f32"), scalarTypeOf(expr.type), a);
    case "bitcast":
      return a;
    default:
      throw new InternalError(`${op} of ${from} in a kernel for a CPU`);
  }
}

function convertedVector(from: Scalar, to: Scalar, a: Instruction): Instruction {
  const conversion = conversions[`${from} ${to}`];
  if (conversion !== undefined) return code.op(conversion[1], a);
  if (to === "bool") {
    if (from === "bool") return a;
    return code.op(`${prefix[from].vector}.ne`, a, code.words([0, 0, 0, 0]));
  }
  if (from !== "bool") return a;
  const one = to === "f32" ? 0x3f800000 : 1;
  return code.op("v128.and", a, code.words([one, one, one, one]));
}

/** Primitives without a vector instruction. */
function laneByLane(w: FunctionWriter, expr: Apply, operands: readonly Instruction[]): Instruction {
  const kept = operands.map((operand) => code.get(w.keep("v128", "each", operand)));
  let result: Instruction = code.words([0, 0, 0, 0]);
  for (const i of [0, 1, 2, 3]) {
    const scalars = kept.map((operand) => code.lane("i32x4.extract_lane", i, operand));
    const value = ofScalars(w, expr, scalars);
    result = code.lane("i32x4.replace_lane", i, result, value);
  }
  return result;
}
