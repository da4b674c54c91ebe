/** @file How ops are written in a drawing, and said in words. */
import type { OpName } from "../../../compiler/graph/graph.ts";

interface Label {
  readonly sign: string;
  readonly words: string;
}

const labels: Readonly<Partial<Record<OpName, Label>>> = {
  add: { sign: "+", words: "sum" },
  sub: { sign: "−", words: "difference" },
  mul: { sign: "×", words: "product, element by element" },
  div: { sign: "÷", words: "quotient, element by element" },
  neg: { sign: "−·", words: "negative" },
  sigmoid: { sign: "σ", words: "sigmoid, between 0 and 1" },
  tanh: { sign: "tanh", words: "tanh, between −1 and 1" },
  softplus: { sign: "softplus", words: "log(1 + eˣ)" },
  erf: { sign: "erf", words: "error function, between −1 and 1" },
  exp: { sign: "eˣ", words: "exponential" },
  expm1: { sign: "eˣ − 1", words: "exponential, less 1" },
  log: { sign: "ln", words: "natural logarithm" },
  log1p: { sign: "ln(1 + ·)", words: "natural logarithm of 1 more" },
  sqrt: { sign: "√", words: "square root" },
  abs: { sign: "|·|", words: "magnitude" },
  dot: { sign: "·", words: "matrix product" },
  less: { sign: "<", words: "whether the first is less" },
  equal: { sign: "=", words: "whether they are equal" },
  where: { sign: "?:", words: "choice, element by element" },
  sum: { sign: "Σ", words: "sum along an axis" },
  reduceMax: { sign: "max", words: "largest along an axis" },
  stopGradient: { sign: "stop ∇", words: "passes values on, and no gradient back" },
  scan: { sign: "loop", words: "a loop of its own" },
};

export function signOf(op: OpName): string {
  return labels[op]?.sign ?? op;
}

export function wordsOf(op: OpName): string {
  return labels[op]?.words ?? op;
}

/** Such as "1 −" for 1 - x and "× 2" for x * 2: the operand that is a part goes without saying. */
export function withConstant(op: OpName, constant: string, constantIsFirst: boolean): string {
  return constantIsFirst ? `${constant} ${signOf(op)}` : `${signOf(op)} ${constant}`;
}

/** A number as short as it can be said. */
export function shortNumber(value: number): string {
  return String(Number(value.toPrecision(3))).replace("-", "−");
}

/** Of "parameters/lstm/forget/kernel": the scope below the cell, or the parameter's own name where there is none. */
export function scopeOf(inputName: string): string {
  const [, , ...path] = inputName.split("/");
  return path.length > 1 ? path.slice(0, -1).join("/") : (path[0] ?? inputName);
}
