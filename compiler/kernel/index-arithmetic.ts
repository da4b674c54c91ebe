/**
 * @file Indices: u32 expressions with known ranges, so that splitting a position into an index and joining it again
 * costs nothing. The rule that matters is (x / d) * d + x % d = x, with its variants; whatever it cannot simplify stays
 * a division in the kernel, which is slower but correct.
 *
 *   index ::= number | variable | size | index (+ | - | * | / | % | min) index
 */
import { type Dim, divideDims, mulDims } from "../graph/dim.ts";
import type { Expressions } from "./expressions.ts";
import type { Expr } from "./ir.ts";

/**
 * Arithmetic on indices, abstract so that the interpreter (on numbers) and kernels share each rule. `I` is an index, a
 * non-negative integer.
 */
export interface IndexArithmetic<I> {
  readonly dim: (dim: Dim) => I;
  readonly add: (a: I, b: I) => I;
  readonly sub: (a: I, b: I) => I;
  readonly mul: (a: I, b: I) => I;
  readonly div: (a: I, b: I) => I;
  readonly mod: (a: I, b: I) => I;
  readonly min: (a: I, b: I) => I;
  /** The same index, with the knowledge that it is below `size` whenever it is used. */
  readonly below: (a: I, size: Dim) => I;
}

export interface Index {
  /** Indices with equal expressions have equal values. */
  readonly expr: Expr;
  /** An exclusive upper bound, if known. */
  readonly bound: Dim | undefined;
  readonly form: Form;
}

export type Form =
  | { readonly kind: "size"; readonly dim: Dim }
  | { readonly kind: "leaf" }
  | { readonly kind: ArithmeticKind; readonly a: Index; readonly b: Index };

export type ArithmeticKind = "add" | "sub" | "mul" | "div" | "mod" | "min";

export class IndexBuilder implements IndexArithmetic<Index> {
  readonly #e: Expressions;

  constructor(expressions: Expressions) {
    this.#e = expressions;
  }

  /** An expression that is bound in the kernel, below `bound`. */
  of(expr: Expr, bound?: Dim): Index {
    // An index below 1 is 0: equal values must be equal expressions.
    return bound === 1 ? this.dim(0) : { expr, bound, form: { kind: "leaf" } };
  }

  dim = (dim: Dim): Index => {
    const bound = typeof dim === "number" ? dim + 1 : undefined;
    return { expr: this.#e.size(dim), bound, form: { kind: "size", dim } };
  };

  add = (a: Index, b: Index): Index => {
    const [x, y] = [sizeOfIndex(a), sizeOfIndex(b)];
    if (x === 0) return b;
    if (y === 0) return a;
    if (typeof x === "number" && typeof y === "number") return this.dim(x + y);
    const joined = this.#rejoined(a, b) ?? this.#rejoined(b, a);
    if (joined !== undefined) return joined;
    const multiple = b.form.kind === "add" ? this.#rejoinedMultiple(a, b.form.a) : undefined;
    if (multiple !== undefined && b.form.kind === "add") return this.add(multiple, b.form.b);
    return this.#combined("add", a, b, sumBound(a, b));
  };

  sub = (a: Index, b: Index): Index => {
    const [x, y] = [sizeOfIndex(a), sizeOfIndex(b)];
    if (y === 0) return a;
    if (typeof x === "number" && typeof y === "number" && x >= y) return this.dim(x - y);
    return this.#combined("sub", a, b);
  };

  mul = (a: Index, b: Index): Index => {
    const [x, y] = [sizeOfIndex(a), sizeOfIndex(b)];
    if (x === 0 || y === 0) return this.dim(0);
    if (x === 1) return b;
    if (y === 1) return a;
    if (x !== undefined && y !== undefined) return this.dim(mulDims(x, y));
    const bound = a.bound !== undefined && y !== undefined ? mulDims(a.bound, y) : undefined;
    return this.#combined("mul", a, b, bound);
  };

  div = (a: Index, b: Index): Index => {
    const d = sizeOfIndex(b);
    if (d === undefined) return this.#combined("div", a, b);
    // An axis of extent 0 has no index: the code never runs, but must compile.
    if (d === 0) return this.dim(0);
    if (d === 1) return a;
    if (a.bound !== undefined && fits(a.bound, d)) return this.dim(0);
    const split = this.#splitBy(a, d);
    if (split !== undefined) return this.add(split.multiple, this.div(split.rest, b));
    const joined = this.#joinedWithin(a, d);
    if (joined !== undefined) return this.div(joined.high, this.dim(joined.times));
    const cycle = cycleOf(a, d);
    if (cycle !== undefined) return this.mod(this.div(cycle.of, b), this.dim(cycle.times));
    const earlier = a.form.kind === "div" ? sizeOfIndex(a.form.b) : undefined;
    if (earlier !== undefined && a.form.kind === "div") return this.div(a.form.a, this.dim(mulDims(earlier, d)));
    const bound = a.bound === undefined ? undefined : divideDims(a.bound, d);
    return this.#combined("div", a, b, bound);
  };

  mod = (a: Index, b: Index): Index => {
    const d = sizeOfIndex(b);
    if (d === undefined) return this.#combined("mod", a, b);
    if (d === 0 || d === 1) return this.dim(0);
    const split = this.#splitBy(a, d);
    if (split !== undefined) return this.mod(split.rest, b);
    if (a.bound !== undefined && fits(a.bound, d)) return a;
    const cycle = cycleOf(a, d);
    if (cycle !== undefined) return this.mod(cycle.of, b);
    const joined = this.#joinedWithin(a, d);
    if (joined !== undefined)
      return this.add(this.mul(this.mod(joined.high, this.dim(joined.times)), joined.factor), joined.low);
    return this.#combined("mod", a, b, d);
  };

  min = (a: Index, b: Index): Index => this.#combined("min", a, b);

  below = (a: Index, size: Dim): Index => {
    if (sizeOfIndex(a) !== undefined) return a;
    return size === 1 ? this.dim(0) : { ...a, bound: size };
  };

  #combined(kind: ArithmeticKind, a: Index, b: Index, bound?: Dim): Index {
    return { expr: this.combine(kind, a.expr, b.expr), bound, form: { kind, a, b } };
  }

  /** The expression of an operation on two expressions. */
  combine(kind: ArithmeticKind, a: Expr, b: Expr): Expr {
    return kind === "mod" ? this.#e.rem(a, b) : this.#e[kind](a, b);
  }

  /** `a` as multiple * d + rest, if its form has such a multiple. */
  #splitBy(a: Index, d: Dim): { multiple: Index; rest: Index } | undefined {
    const [high, low] = a.form.kind === "add" ? [a.form.a, a.form.b] : [a, this.dim(0)];
    const factor = high.form.kind === "mul" ? sizeOfIndex(high.form.b) : undefined;
    const times = factor === undefined ? undefined : divideDims(factor, d);
    if (times === undefined || high.form.kind !== "mul") return undefined;
    return { multiple: this.mul(high.form.a, this.dim(times)), rest: low };
  }

  /** `a` as high * factor + low with low < factor and d = factor * times: then / d and % d affect only `high`. */
  #joinedWithin(a: Index, d: Dim): { high: Index; factor: Index; low: Index; times: Dim } | undefined {
    const [high, low] = a.form.kind === "add" ? [a.form.a, a.form.b] : [a, this.dim(0)];
    if (high.form.kind !== "mul") return undefined;
    const factor = sizeOfIndex(high.form.b);
    const times = factor === undefined ? undefined : divideDims(d, factor);
    if (factor === undefined || times === undefined || low.bound === undefined || !fits(low.bound, factor))
      return undefined;
    return { high: high.form.a, factor: high.form.b, low, times };
  }

  /** (x / e) * (e * d) + (x % e) * d is x * d. */
  #rejoinedMultiple(high: Index, low: Index): Index | undefined {
    if (high.form.kind !== "mul" || low.form.kind !== "mul") return undefined;
    const [whole, d] = [sizeOfIndex(high.form.b), sizeOfIndex(low.form.b)];
    const e = whole === undefined || d === undefined ? undefined : divideDims(whole, d);
    if (e === undefined || d === undefined) return undefined;
    const x = this.#rejoined(this.mul(high.form.a, this.dim(e)), low.form.a);
    return x && this.#times(x, d);
  }

  /** a * d, where a may be a multiple itself: of d and its factor together. */
  #times(a: Index, d: Dim): Index {
    const factor = a.form.kind === "mul" ? sizeOfIndex(a.form.b) : undefined;
    if (factor === undefined || a.form.kind !== "mul") return this.mul(a, this.dim(d));
    return this.mul(a.form.a, this.dim(mulDims(factor, d)));
  }

  /**
   * (x / d) * d + x % d is x, and ((x / d) % e) * d + x % d is x % (d * e); with y more multiples of d, both are y * d
   * more.
   */
  #rejoined(high: Index, low: Index): Index | undefined {
    if (high.form.kind !== "mul" || low.form.kind !== "mod") return undefined;
    const d = sizeOfIndex(high.form.b);
    if (d === undefined || sizeOfIndex(low.form.b) !== d) return undefined;
    const x = low.form.a;
    const isQuotient = ({ form }: Index) => form.kind === "div" && sizeOfIndex(form.b) === d && form.a.expr === x.expr;
    if (isQuotient(high.form.a)) return x;
    const { form } = high.form.a;
    if (form.kind === "add") {
      for (const [more, quotient] of [
        [form.a, form.b],
        [form.b, form.a],
      ] as const) {
        const joined = this.#rejoined(this.mul(quotient, high.form.b), low);
        if (joined !== undefined) return this.add(this.#times(more, d), joined);
      }
    }
    const e = form.kind === "mod" && isQuotient(form.a) ? sizeOfIndex(form.b) : undefined;
    return e === undefined ? undefined : this.mod(x, this.dim(mulDims(d, e)));
  }
}

function sizeOfIndex({ form }: Index): Dim | undefined {
  return form.kind === "size" ? form.dim : undefined;
}

/** `a` as x % (d * times): then a / d is (x / d) % times, and a % d is x % d. */
function cycleOf({ form }: Index, d: Dim): { of: Index; times: Dim } | undefined {
  const modulus = form.kind === "mod" ? sizeOfIndex(form.b) : undefined;
  const times = modulus === undefined ? undefined : divideDims(modulus, d);
  return form.kind === "mod" && times !== undefined ? { of: form.a, times } : undefined;
}

/** Whether everything below `bound` is below `limit` too. */
function fits(bound: Dim, limit: Dim): boolean {
  if (bound === limit) return true;
  return typeof bound === "number" && typeof limit === "number" && bound <= limit;
}

function sumBound(a: Index, b: Index): Dim | undefined {
  // multiple * d + rest with rest < d stays below bound(multiple) * d.
  const d = a.form.kind === "mul" ? sizeOfIndex(a.form.b) : undefined;
  if (d !== undefined && b.bound !== undefined && fits(b.bound, d)) return a.bound;
  if (typeof a.bound === "number" && typeof b.bound === "number") return a.bound + b.bound - 1;
  return undefined;
}
