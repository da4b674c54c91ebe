/**
 * @file Dimensions: the sizes in a graph, known or symbolic.
 *
 *   dim    ::= integer | [integer "*"] factor ("*" factor)*
 *   factor ::= symbol | "ceil(" dim "/" integer ")"
 *
 * A symbol (`B`, `T`) is a size that is known at run time; reshapes make products such as `4*B*T`, and cutting an axis
 * into pieces makes `ceil(T/64)`. The canonical text of a product (coefficient first, factors sorted) *is* the
 * dimension, so two dimensions are equal exactly if they are `===`, and a graph is plain JSON.
 */

import { UserError } from "./errors.ts";

/** A dimension: an integer, or the canonical text of a product such as `4*B*T`. */
export type Dim = number | string;
/** The dimensions of a tensor, slowest-varying first; [] is a scalar. */
export type Shape = readonly Dim[];

/** The sizes of the symbols at run time, e.g. `{ B: 16, T: 100 }`. */
export type DimSizes = Readonly<Record<string, number>>;

interface Monomial {
  readonly coefficient: number;
  /** Symbols and rounded quotients, with repetition. */
  readonly symbols: readonly string[];
}

const symbolPattern = /^[A-Z][A-Za-z0-9]*$/;
const quotientPattern = /^ceil\((.+)\/([1-9]\d*)\)$/;

export function isSymbol(text: string): boolean {
  return symbolPattern.test(text);
}

/** A cache: a program has few symbols and needs the same products many times. */
const parsed = new Map<string, Monomial>();
const mostParsed = 10_000;

function parse(dim: Dim): Monomial {
  if (typeof dim === "number") return { coefficient: dim, symbols: [] };
  const known = parsed.get(dim);
  if (known !== undefined) return known;
  const factors = factorsOf(dim);
  const head = /^\d+$/.test(factors[0] ?? "") ? Number(factors[0]) : Number.NaN;
  const monomial = Number.isNaN(head)
    ? { coefficient: 1, symbols: factors }
    : { coefficient: head, symbols: factors.slice(1) };
  if (parsed.size >= mostParsed) parsed.clear();
  parsed.set(dim, monomial);
  return monomial;
}

/** The factors of a product: its text between the `*` that are not inside parentheses. */
function factorsOf(text: string): string[] {
  if (!text.includes("(")) return text.split("*");
  const factors = [""];
  let depth = 0;
  for (const character of text) {
    depth += character === "(" ? 1 : character === ")" ? -1 : 0;
    if (character === "*" && depth === 0) factors.push("");
    else factors.push((factors.pop() ?? "") + character);
  }
  return factors;
}

interface Quotient {
  readonly of: Dim;
  readonly by: number;
}

/** The parts of a factor such as `ceil(T/64)`; undefined for a symbol. */
function quotientOf(factor: string): Quotient | undefined {
  const [, of, by] = quotientPattern.exec(factor) ?? [];
  return of === undefined || by === undefined ? undefined : { of, by: Number(by) };
}

function format({ coefficient, symbols }: Monomial): Dim {
  if (symbols.length === 0 || coefficient === 0) return coefficient;
  if (symbols.length === 1) return coefficient === 1 ? String(symbols[0]) : `${coefficient}*${symbols[0]}`;
  const sorted = [...symbols].sort();
  return (coefficient === 1 ? sorted : [String(coefficient), ...sorted]).join("*");
}

/** The canonical form of a dimension that a user wrote; undefined if it is not a valid dimension. */
export function canonicalDim(dim: Dim): Dim | undefined {
  if (typeof dim === "number") return Number.isInteger(dim) && dim >= 0 ? dim : undefined;
  const { coefficient, symbols } = parse(dim);
  if (!Number.isInteger(coefficient) || coefficient < 0 || !symbols.every(isFactor)) return undefined;
  return format({ coefficient, symbols });
}

function isFactor(text: string): boolean {
  const quotient = quotientOf(text);
  if (quotient === undefined) return isSymbol(text);
  return canonicalDim(quotient.of) === quotient.of && ceilDim(quotient.of, quotient.by) === text;
}

export function mulDims(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a * b;
  if (a === 1) return b;
  if (b === 1) return a;
  const left = parse(a);
  const right = parse(b);
  return format({
    coefficient: left.coefficient * right.coefficient,
    symbols: [...left.symbols, ...right.symbols],
  });
}

/** `a / b` if it divides exactly for every value of the symbols; undefined otherwise. */
export function divideDims(a: Dim, b: Dim): Dim | undefined {
  if (typeof a === "number" && typeof b === "number") return b !== 0 && a % b === 0 ? a / b : undefined;
  const numerator = parse(a);
  const denominator = parse(b);
  if (denominator.coefficient === 0 || numerator.coefficient % denominator.coefficient !== 0) return undefined;
  const symbols = [...numerator.symbols];
  for (const symbol of denominator.symbols) {
    const at = symbols.indexOf(symbol);
    if (at < 0) return undefined;
    symbols.splice(at, 1);
  }
  return format({ coefficient: numerator.coefficient / denominator.coefficient, symbols });
}

/** `a / by`, rounded up. `by` is a positive integer. */
export function ceilDim(a: Dim, by: number): Dim {
  if (typeof a === "number") return Math.ceil(a / by);
  const whole = divideDims(a, by);
  if (whole !== undefined) return whole;
  // Rounding up twice is rounding up once.
  const inner = quotientOf(a);
  return inner === undefined ? `ceil(${a}/${by})` : ceilDim(inner.of, inner.by * by);
}

/** Whether `total` is `size` rounded up to a multiple of a number, such as `64*ceil(T/64)` for `T`. */
export function isRoundedUp(total: Dim, size: Dim): boolean {
  if (typeof total === "number") return false;
  const { coefficient, symbols } = parse(total);
  const [only, another] = symbols.map(quotientOf);
  return another === undefined && symbols.length === 1 && only?.of === size && only.by === coefficient;
}

/** A sum with like terms combined: most symbols first, the plain number last, zeros dropped. */
export function addDims(terms: readonly Dim[]): Dim[] {
  const totals = new Map<string, Monomial>();
  for (const { coefficient, symbols } of terms.map(parse)) {
    const key = symbols.join("*");
    totals.set(key, { coefficient: coefficient + (totals.get(key)?.coefficient ?? 0), symbols });
  }
  return [...totals.values()]
    .filter(({ coefficient }) => coefficient !== 0)
    .sort((a, b) => b.symbols.length - a.symbols.length || (a.symbols.join() < b.symbols.join() ? -1 : 1))
    .map(format);
}

/** The number of elements of a shape. */
export function sizeOf(shape: Shape): Dim {
  return shape.reduce<Dim>(mulDims, 1);
}

/** The symbols in a dimension, each once. */
export function symbolsOf(dim: Dim): readonly string[] {
  return [
    ...new Set(
      parse(dim).symbols.flatMap((factor) => {
        const quotient = quotientOf(factor);
        return quotient === undefined ? [factor] : symbolsOf(quotient.of);
      }),
    ),
  ];
}

export function dimCoefficient(dim: Dim): number {
  return parse(dim).coefficient;
}

/** The factors with repetition: `["B", "B", "T"]` for `B*B*T`. */
export function dimFactors(dim: Dim): readonly string[] {
  return parse(dim).symbols;
}

export function evaluateDim(dim: Dim, sizes: DimSizes): number {
  if (typeof dim === "number") return dim;
  const own = sizes[dim];
  if (own !== undefined) return own;
  const { coefficient, symbols } = parse(dim);
  return symbols.reduce((product, symbol) => {
    const quotient = quotientOf(symbol);
    if (quotient !== undefined) return product * Math.ceil(evaluateDim(quotient.of, sizes) / quotient.by);
    const size = sizes[symbol];
    if (size === undefined) throw new UserError(`the size of dimension ${symbol} is not known: no input has it`);
    return product * size;
  }, coefficient);
}

/** A dimension with the symbols that have a size replaced by it. */
export function substituteSizes(dim: Dim, sizes: DimSizes): Dim {
  const { coefficient, symbols } = parse(dim);
  return symbols.reduce<Dim>((product, factor) => {
    const quotient = quotientOf(factor);
    const size = quotient && ceilDim(substituteSizes(quotient.of, sizes), quotient.by);
    return mulDims(product, size ?? sizes[factor] ?? factor);
  }, coefficient);
}

/** The first bucket that a size fits in; a bucket without `atMost` fits every size. */
export function bucketOf<B extends { readonly atMost: number | undefined }>(
  buckets: readonly B[],
  size: number,
): B | undefined {
  return buckets.find(({ atMost }) => atMost === undefined || size <= atMost);
}

export function evaluateShape(shape: Shape, sizes: DimSizes): number[] {
  return shape.map((dim) => evaluateDim(dim, sizes));
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/**
 * Adds to `sizes` the sizes of the symbols in `shape`, read off the actual shape. Returns a sentence about what does
 * not match, or undefined.
 */
export function bindShape(shape: Shape, actual: readonly number[], sizes: Record<string, number>): string | undefined {
  if (shape.length !== actual.length) {
    return `expected ${shape.length} axes ${formatShape(shape)}, got ${actual.length} ${formatShape(actual)}`;
  }
  for (const [axis, dim] of shape.entries()) {
    const size = actual[axis] ?? 0;
    if (typeof dim === "string" && isSymbol(dim)) {
      const known = sizes[dim];
      if (known !== undefined && known !== size) {
        return `axis ${axis} is ${dim}=${known} elsewhere, got ${size} in ${formatShape(actual)}`;
      }
      sizes[dim] = size;
    }
  }
  for (const [axis, dim] of shape.entries()) {
    if (typeof dim === "string" && isSymbol(dim)) continue;
    const size = actual[axis] ?? 0;
    const unknown = typeof dim === "string" && symbolsOf(dim).some((symbol) => sizes[symbol] === undefined);
    if (!unknown && evaluateDim(dim, sizes) !== size) {
      return `axis ${axis} must be ${dim}, got ${size} in ${formatShape(actual)}`;
    }
  }
  return undefined;
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}
