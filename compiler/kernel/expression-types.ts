/** @file The operand and result types of the primitives of the kernel IR. */
import type { Apply, Expr, Primitive, Type } from "./ir.ts";

const numbers: readonly Type[] = ["f32", "i32", "u32", "f32x4"];
const signed: readonly Type[] = ["f32", "i32", "f32x4"];
const integers: readonly Type[] = ["i32", "u32"];
const floats: readonly Type[] = ["f32", "f32x4"];
const scalars: readonly Type[] = ["f32", "i32", "u32", "bool"];
const bits: readonly Type[] = ["f32", "i32", "u32"];
const bools: readonly Type[] = ["bool"];

/**
 * Primitives whose operands share one type, and the types allowed. A comparison returns bool, all others their operand
 * type.
 */
const alike: Partial<Record<Primitive, { readonly count: number; readonly of: readonly Type[] }>> = {
  add: { count: 2, of: numbers },
  sub: { count: 2, of: numbers },
  mul: { count: 2, of: numbers },
  div: { count: 2, of: numbers },
  rem: { count: 2, of: numbers },
  min: { count: 2, of: numbers },
  max: { count: 2, of: numbers },
  neg: { count: 1, of: signed },
  abs: { count: 1, of: signed },
  floor: { count: 1, of: floats },
  round: { count: 1, of: floats },
  sqrt: { count: 1, of: floats },
  less: { count: 2, of: bits },
  lessEqual: { count: 2, of: bits },
  equal: { count: 2, of: scalars },
  notEqual: { count: 2, of: scalars },
  not: { count: 1, of: bools },
  and: { count: 2, of: bools },
  or: { count: 2, of: bools },
  bitAnd: { count: 2, of: integers },
  bitOr: { count: 2, of: integers },
  bitXor: { count: 2, of: integers },
  bitNot: { count: 1, of: integers },
  countLeadingZeros: { count: 1, of: integers },
};

const comparisons: readonly Primitive[] = ["less", "lessEqual", "equal", "notEqual"];

/** Whether a primitive's operand and result types are valid. */
export function typesFit({ op, type, operands }: Apply): boolean {
  const types = operands.map((operand) => operand.type);
  const [first, second, third] = types;
  const returns = (expected: Type | undefined) => type === expected;
  const rule = alike[op];
  if (rule !== undefined) {
    const fit = types.length === rule.count && types.every((each) => rule.of.includes(each));
    const common = commonType(types);
    return fit && common !== undefined && returns(comparisons.includes(op) ? "bool" : common);
  }
  switch (op) {
    case "shiftLeft":
    case "shiftRight":
      return types.length === 2 && isOne(first, integers) && second === "u32" && returns(first);
    case "select":
      return types.length === 3 && first === "bool" && second === third && returns(second);
    case "convert":
      return types.length === 1 && isOne(first, scalars) && isOne(type, scalars);
    case "bitcast":
      return types.length === 1 && isOne(first, bits) && isOne(type, bits);
    case "vector":
      return (types.length === 1 || types.length === 4) && types.every((each) => each === "f32") && returns("f32x4");
    case "component":
      return first === "f32x4" && isBelow(operands[1], 4) && returns("f32");
    case "packHalf":
      return types.length === 2 && first === "f32" && second === "f32" && returns("u32");
    case "unpackHalf":
      return types.length === 2 && first === "u32" && isBelow(operands[1], 2) && returns("f32");
    case "fromLane":
    case "fromLaneXor":
      return isOne(first, [...bits, "f32x4"]) && isBelow(operands[1], 128) && returns(first);
    case "fromQuad":
      return isOne(first, bits) && isBelow(operands[1], 4) && returns(first);
    default:
      return false;
  }
}

function isOne(type: Type | undefined, types: readonly Type[]): boolean {
  return type !== undefined && types.includes(type);
}

/** Whether an expression is a literal u32 below `limit`. */
function isBelow(expr: Expr | undefined, limit: number): boolean {
  return expr?.kind === "literal" && expr.type === "u32" && expr.value < limit;
}

/** The common type of all operands; f32x4 and f32 combine to f32x4. */
function commonType(types: readonly Type[]): Type | undefined {
  const [first] = types;
  if (types.every((type) => type === first)) return first;
  return types.every((type) => floats.includes(type)) ? "f32x4" : undefined;
}
