/** @file Expressions of the kernel IR as WGSL. */
import { dimCoefficient, dimFactors } from "../compiler/graph/dim.ts";
import { at, InternalError } from "../compiler/graph/errors.ts";
import type { Apply, Expr, KernelArray, Literal, Primitive, Scalar, Type, Variable } from "../compiler/kernel/ir.ts";

/** Names of a kernel's arrays, uniforms and builtins in WGSL. */
export interface Names {
  /** An element of an array; if it has slots, of the given slot. */
  readonly element: (array: KernelArray, index: string, slot: string | undefined) => string;
  /** What waits until all invocations of a workgroup see what each has stored. */
  readonly barriers: readonly string[];
  readonly uniform: (sum: readonly (number | string)[]) => string;
  /** A u32 that WGSL does not treat as a constant expression. */
  readonly opaque: (bits: string) => string;
  /** The name of a builtin; undefined for a variable that the kernel declares itself. */
  readonly builtin: (variable: Variable) => string | undefined;
}

export const typeText: Record<Type, string> = {
  f32: "f32",
  i32: "i32",
  u32: "u32",
  bool: "bool",
  f32x4: "vec4<f32>",
};

const infix: Partial<Record<Primitive, string>> = {
  ...{ add: "+", sub: "-", mul: "*", div: "/", rem: "%", less: "<", lessEqual: "<=", equal: "==", notEqual: "!=" },
  ...{ bitAnd: "&", bitOr: "|", bitXor: "^", shiftLeft: "<<", shiftRight: ">>" },
  // On bools these do not branch, unlike && and ||: a driver's compiler can take minutes for a hundred branches.
  ...{ and: "&", or: "|" },
};

const prefix: Partial<Record<Primitive, string>> = { neg: "-", not: "!", bitNot: "~" };

export function expressionText(expr: Expr, names: Names): string {
  const text = (operand: Expr) => expressionText(operand, names);
  switch (expr.kind) {
    case "literal":
      return literalText(expr, names);
    case "size": {
      const coefficient = dimCoefficient(expr.dim);
      const factors = dimFactors(expr.dim).map((symbol) => names.uniform([symbol]));
      const all = [...(coefficient === 1 ? [] : [`${coefficient}u`]), ...factors];
      return all.length === 1 ? at(all, 0) : `(${all.join(" * ")})`;
    }
    case "uniform":
      return names.uniform(expr.sum);
    case "variable":
      return names.builtin(expr) ?? expr.name;
    case "load":
      return names.element(expr.array, text(expr.operands[0]), expr.operands[1] && text(expr.operands[1]));
    case "call":
      return `${expr.function.name}(${expr.operands.map(text).join(", ")})`;
    case "apply":
      return applyText(expr, operandTexts(expr, text, names));
  }
}

/** An element of an array; if it has slots, of the given slot. */
export function elementText(array: string, index: string, slot: string | undefined): string {
  return `${array}${slot === undefined ? "" : `[${slot}]`}[${index}]`;
}

function applyText({ op, type, operands }: Apply, texts: readonly string[]): string {
  const [a = "", b = "", c = ""] = texts;
  const between = infix[op];
  if (between !== undefined) return `(${a} ${between} ${b})`;
  const before = prefix[op];
  if (before !== undefined) return `(${before}${a})`;
  switch (op) {
    case "select":
      return `select(${c}, ${b}, ${a})`;
    case "convert":
      return `${typeText[type]}(${a})`;
    case "bitcast":
      return `bitcast<${typeText[type]}>(${a})`;
    case "vector":
      return `vec4<f32>(${texts.join(", ")})`;
    case "component":
      return `${a}.${"xyzw"[literalOf(operands[1])]}`;
    case "packHalf":
      return `pack2x16float(vec2<f32>(${a}, ${b}))`;
    case "unpackHalf":
      return `unpack2x16float(${a}).${"xy"[literalOf(operands[1])]}`;
    case "fromLane":
      return `subgroupBroadcast(${a}, ${b})`;
    case "fromQuad":
      return `quadBroadcast(${a}, ${b})`;
    case "fromLaneXor":
      return exchangeText(a, literalOf(operands[1]));
    default:
      return `${op}(${texts.join(", ")})`;
  }
}

/** Neighbours in a group of four have functions of their own, which need no check of the lane's number. */
function exchangeText(value: string, mask: number): string {
  const quad = { 1: "quadSwapX", 2: "quadSwapY", 3: "quadSwapDiagonal" }[mask];
  return quad === undefined ? `subgroupShuffleXor(${value}, ${mask}u)` : `${quad}(${value})`;
}

function literalOf(expr: Expr | undefined): number {
  if (expr?.kind !== "literal") throw new InternalError("the number of a component or lane must be a literal");
  return expr.value;
}

/**
 * The operands, at least one of which is not a constant expression: WGSL evaluates those when it compiles a kernel, and
 * rejects the kernel if they overflow or are undefined.
 */
function operandTexts({ op, type, operands }: Apply, text: (operand: Expr) => string, names: Names): readonly string[] {
  const texts = operands.map(text);
  const [first] = operands;
  const isFolded = first !== undefined && operands.every(({ kind }) => kind === "literal");
  // Any bits are a valid integer.
  const isInteger = op === "bitcast" && type !== "f32";
  if (!isFolded || isInteger || first.type === "bool" || op === "vector") return texts;
  return [hidden(first.type as Scalar, at(texts, 0), names), ...texts.slice(1)];
}

/** A number that WGSL does not treat as a constant expression. */
function hidden(type: Scalar, text: string, { opaque }: Names): string {
  return type === "u32" ? opaque(text) : `bitcast<${type}>(${opaque(`bitcast<u32>(${text})`)})`;
}

function literalText({ type, value }: Literal, { opaque }: Names): string {
  if (type === "bool") return value === 0 ? "false" : "true";
  // Large numbers are bit patterns, more readable in hexadecimal.
  if (type === "u32") return `${value < 2 ** 20 ? value : `0x${value.toString(16)}`}u`;
  if (type === "i32") return value === -2147483648 ? "(-2147483647i - 1i)" : value < 0 ? `(${value}i)` : `${value}i`;
  // WGSL rejects literals that overflow or are NaN, and its compilers drop the sign of zero; a bit pattern avoids both.
  const ofBits = (bits: string) => `bitcast<f32>(${opaque(bits)})`;
  if (!Number.isFinite(value))
    return ofBits(Number.isNaN(value) ? "0x7fc00000u" : value > 0 ? "0x7f800000u" : "0xff800000u");
  if (Object.is(value, -0)) return ofBits("0x80000000u");
  const text = shortest(value);
  return `${value < 0 ? `(${text}` : text}${/[.e]/.test(text) ? "" : ".0"}f${value < 0 ? ")" : ""}`;
}

const largest = (2 - 2 ** -23) * 2 ** 127;

/** The shortest decimal text of an f32 number. */
function shortest(value: number): string {
  for (let digits = 1; digits <= 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    // WGSL rejects a literal above the largest f32, even if it would round to it.
    if (Math.fround(rounded) === value && Math.abs(rounded) <= largest) return String(rounded);
  }
  return String(value);
}
