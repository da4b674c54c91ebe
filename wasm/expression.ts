/**
 * @file Expressions of the kernel IR as instructions. Integers that index memory stay sums for as long as possible; any
 * other value is one number if it is the same for all lanes, and a vector otherwise.
 */
import { type Dim, dimCoefficient, dimFactors } from "../compiler/graph/dim.ts";
import { at, InternalError } from "../compiler/graph/errors.ts";
import type { Apply, Call, Expr, KernelArray, KernelFunction, LocalArray, Variable } from "../compiler/kernel/ir.ts";
import { ofScalars, ofVectors } from "./arithmetic.ts";
import * as code from "./code.ts";
import type { Instruction } from "./instruction.ts";
import type { Memory } from "./memory.ts";
import {
  addSums,
  alignmentOf,
  atomSum,
  constantSum,
  mostAlignment,
  numberOf,
  type Sum,
  scaleSum,
  sumAlignment,
} from "./sum.ts";
import { isUniform, lanes, scalarOf, scalarType, type Value, vectorOf } from "./values.ts";
import type { FunctionWriter } from "./writer.ts";

/** What a kernel can read and call. */
export interface Surroundings {
  /** Undefined in math functions, which read no memory. */
  readonly memory: Memory | undefined;
  /** A uniform: a symbol of dimensions, or a sum of dimensions. */
  readonly uniform: (sum: readonly Dim[]) => Sum;
  /** The name of a function, for scalars or for vectors. */
  readonly functionOf: (callee: KernelFunction, isVector: boolean) => string;
  /** Inlines a function, if that is better than a call; otherwise it does nothing. */
  readonly inlined: (callee: KernelFunction, values: readonly Value[]) => Value | undefined;
  /** Whether running sums use fused multiply-add. */
  readonly isFused: boolean;
}

/** A register that statements assign. */
export interface Register {
  readonly local: string;
  readonly isVector: boolean;
}

type IndexValue = Extract<Value, { readonly kind: "index" }>;

export class ExpressionWriter {
  readonly w: FunctionWriter;
  readonly #surroundings: Surroundings;
  readonly #known = new Map<Variable, Value>();
  readonly #registers = new Map<Variable, Register>();
  /** Tables of constants of a function. */
  readonly #tables = new Map<LocalArray, readonly Value[]>();

  readonly #isVector: boolean;

  constructor(w: FunctionWriter, surroundings: Surroundings, isVector: boolean) {
    this.w = w;
    this.#isVector = isVector;
    this.#surroundings = surroundings;
  }

  define(variable: Variable, value: Value): void {
    this.#known.set(variable, value);
  }

  defineRegister(variable: Variable, register: Register): void {
    this.#registers.set(variable, register);
  }

  defineTable(array: LocalArray, values: readonly Value[]): void {
    this.#tables.set(array, values);
  }

  registerOf(variable: Variable): Register {
    const register = this.#registers.get(variable);
    if (register === undefined) throw new InternalError(`${variable.name} is assigned but not declared`);
    return register;
  }

  get memory(): Memory {
    const { memory } = this.#surroundings;
    if (memory === undefined) throw new InternalError("a function reads memory");
    return memory;
  }

  value(expr: Expr): Value {
    switch (expr.kind) {
      case "literal": {
        if (expr.type === "u32") return { kind: "index", sum: constantSum(expr.value), stride: 0 };
        return { kind: "scalar", code: expr.type === "f32" ? code.f32(expr.value) : code.i32(expr.value) };
      }
      case "size": {
        const factors = dimFactors(expr.dim).map((symbol) => this.#surroundings.uniform([symbol]));
        const product = factors.reduce((a, b) => this.#productOf(a, b), constantSum(1));
        return { kind: "index", sum: scaleSum(product, dimCoefficient(expr.dim)), stride: 0 };
      }
      case "uniform":
        return { kind: "index", sum: this.#surroundings.uniform(expr.sum), stride: 0 };
      case "variable":
        return this.#variable(expr);
      case "load":
        return this.#load(expr.array, expr.operands[0], expr.operands[1], expr);
      case "call":
        return this.#call(expr);
      case "apply":
        return this.#apply(expr);
    }
  }

  index(expr: Expr): Extract<Value, { kind: "index" | "vector" }> {
    const value = this.value(expr);
    if (value.kind === "scalar") throw new InternalError("an index is not a u32");
    return value;
  }

  vector(expr: Expr): Instruction {
    return vectorOf(this.w, this.value(expr), expr.type);
  }

  /** The index in an array with slots, counted from its first slot. */
  inSlot(array: KernelArray, index: Expr, slot: Expr | undefined): Extract<Value, { kind: "index" | "vector" }> {
    const own = this.index(index);
    if (slot === undefined || array.space === "global") return own;
    const which = this.index(slot);
    if (which.kind === "vector" || which.stride !== 0) throw new InternalError("lanes read different slots");
    const start = scaleSum(which.sum, array.length);
    if (own.kind === "index") return { ...own, sum: addSums(own.sum, start) };
    return { kind: "vector", code: code.op("i32x4.add", own.code, code.op("i32x4.splat", this.w.value(start))) };
  }

  #variable(variable: Variable): Value {
    const value = this.#known.get(variable);
    if (value !== undefined) return value;
    const register = this.registerOf(variable);
    if (register.isVector) return { kind: "vector", code: code.get(register.local) };
    // The register changes later and sums are written where they are needed, so its current value is stored.
    if (variable.type === "u32")
      return { kind: "index", sum: atomSum(this.w.atom("now", code.get(register.local))), stride: 0 };
    return { kind: "scalar", code: code.get(register.local) };
  }

  #load(array: KernelArray, index: Expr, slot: Expr | undefined, expr: Extract<Expr, { kind: "load" }>): Value {
    const table = array.space === "registers" ? this.#tables.get(array) : undefined;
    if (table === undefined) return this.memory.load(expr, this.inSlot(array, index, slot));
    const which = this.index(index);
    const first = at(table, 0);
    if (isUniform(which) && table.every(isUniform)) {
      const i = code.get(this.w.atomOf("i", (which as IndexValue).sum).name);
      const chosen = table.reduce<Instruction>(
        (rest, value, n) => code.op("select", scalarOf(this.w, value), rest, code.op("i32.eq", i, code.i32(n))),
        scalarOf(this.w, first),
      );
      if (array.element === "u32") return { kind: "index", sum: atomSum(this.w.atom("entry", chosen)), stride: 0 };
      return { kind: "scalar", code: chosen };
    }
    const i = code.get(this.w.keep("v128", "i", vectorOf(this.w, which, "u32")));
    const chosen = table.reduce<Instruction>(
      (rest, value, n) => {
        const isIt = code.op("i32x4.eq", i, code.words([n, n, n, n]));
        return code.op("v128.bitselect", vectorOf(this.w, value, array.element), rest, isIt);
      },
      vectorOf(this.w, first, array.element),
    );
    return { kind: "vector", code: chosen };
  }

  #call({ function: callee, operands, type }: Call): Value {
    const values = operands.map((operand) => this.value(operand));
    const isVector = !values.every(isUniform);
    const inlined = isVector === this.#isVector ? this.#surroundings.inlined(callee, values) : undefined;
    if (inlined !== undefined) return inlined;
    const name = this.#surroundings.functionOf(callee, isVector);
    const given = values.map((value, i) =>
      isVector ? vectorOf(this.w, value, at(operands, i).type) : scalarOf(this.w, value),
    );
    const result = code.call(name, given);
    if (isVector) return { kind: "vector", code: result };
    if (type === "u32") return { kind: "index", sum: atomSum(this.w.atom("r", result)), stride: 0 };
    return { kind: "scalar", code: result };
  }

  #apply(expr: Apply): Value {
    const values = expr.operands.map((operand) => this.value(operand));
    const ofIndices = this.#ofIndices(expr, values);
    if (ofIndices !== undefined) return ofIndices;
    if (values.every(isUniform)) {
      const result = () =>
        ofScalars(
          this.w,
          expr,
          values.map((value) => scalarOf(this.w, value)),
        );
      if (expr.type !== "u32") return { kind: "scalar", code: result() };
      const alignment = this.#alignmentOf(expr, values as IndexValue[]);
      const sums = values.flatMap((value) => (value.kind === "index" ? [value.sum] : []));
      const isOfSums = sums.length === values.length;
      const atom = isOfSums ? this.w.derived(expr.op, sums, result, alignment) : this.w.atom("n", result(), alignment);
      return { kind: "index", sum: atomSum(atom), stride: 0 };
    }
    const isShift = expr.op === "shiftLeft" || expr.op === "shiftRight";
    const by = isShift && isUniform(at(values, 1)) ? scalarOf(this.w, at(values, 1)) : undefined;
    const vectors = values.map((value, i) => vectorOf(this.w, value, at(expr.operands, i).type));
    return { kind: "vector", code: ofVectors(this.w, expr, vectors, by) };
  }

  /** A power of two that divides the result of a primitive. */
  #alignmentOf({ op, operands }: Apply, values: readonly IndexValue[]): number {
    const [a, b] = values.map((value) => (value.kind === "index" ? sumAlignment(value.sum) : 1));
    const number = operands[1]?.kind === "literal" ? operands[1].value : undefined;
    if (a === undefined || b === undefined) return 1;
    if (op === "mul") return Math.min(mostAlignment, a * b);
    if (op === "rem" || op === "min" || op === "max") return Math.min(a, b);
    if (op === "select") return Math.min(b, values[2]?.kind === "index" ? sumAlignment(values[2].sum) : 1);
    if (op === "div" && number !== undefined && alignmentOf(number) === number) return Math.max(1, a / number);
    if (op === "shiftLeft" && number !== undefined) return Math.min(mostAlignment, a * 2 ** number);
    return 1;
  }

  /** Arithmetic and comparisons on indices that need no vector. */
  #ofIndices(expr: Apply, [a, b, more]: readonly Value[]): Value | undefined {
    if (a?.kind !== "index" || b?.kind !== "index" || more !== undefined) return undefined;
    switch (expr.op) {
      case "add":
        return { kind: "index", sum: addSums(a.sum, b.sum), stride: a.stride + b.stride };
      case "sub":
        return { kind: "index", sum: addSums(a.sum, b.sum, -1), stride: a.stride - b.stride };
      case "mul": {
        const [x, y] = [numberOf(a.sum), numberOf(b.sum)];
        if (y !== undefined && b.stride === 0) return { kind: "index", sum: scaleSum(a.sum, y), stride: a.stride * y };
        if (x !== undefined && a.stride === 0) return { kind: "index", sum: scaleSum(b.sum, x), stride: b.stride * x };
        if (a.stride !== 0 || b.stride !== 0) return undefined;
        return { kind: "index", sum: this.#productOf(a.sum, b.sum), stride: 0 };
      }
      case "div":
      case "rem":
        return this.#divided(expr, a, b);
      case "less":
        return this.#comparedAlike(a, b, "i32.lt_u");
      case "lessEqual":
        return this.#comparedAlike(b, a, "i32.lt_u", true);
      default:
        return undefined;
    }
  }

  /**
   * If neighbours are within one multiple of the divisor, they share a quotient, and their remainders are neighbours.
   */
  #divided(expr: Apply, a: IndexValue, b: IndexValue): Value | undefined {
    if (a.stride <= 0 || b.stride !== 0) return undefined;
    const width = lanes * a.stride;
    if (alignmentOf(a.stride) !== a.stride || sumAlignment(a.sum) < width || sumAlignment(b.sum) < width)
      return undefined;
    const operands = [this.w.value(a.sum), this.w.value(b.sum)];
    const alignment = this.#alignmentOf(expr, [a, b]);
    const sum = atomSum(this.w.atom("n", ofScalars(this.w, expr, operands), alignment));
    return { kind: "index", sum, stride: expr.op === "div" ? 0 : a.stride };
  }

  /** a < b, or its negation, if it is the same for four neighbours. */
  #comparedAlike(a: IndexValue, b: IndexValue, name: string, isNot = false): Value | undefined {
    const isAlike = a.stride === 0 || (a.stride === 1 && sumAlignment(a.sum) >= lanes && sumAlignment(b.sum) >= lanes);
    if (!isAlike || b.stride !== 0) return undefined;
    const less = code.op(name, this.w.value(a.sum), this.w.value(b.sum));
    return { kind: "scalar", code: isNot ? code.op("i32.eqz", less) : less };
  }

  #productOf(a: Sum, b: Sum): Sum {
    const [x, y] = [numberOf(a), numberOf(b)];
    if (x !== undefined) return scaleSum(b, x);
    if (y !== undefined) return scaleSum(a, y);
    const alignment = Math.min(mostAlignment, sumAlignment(a) * sumAlignment(b));
    return atomSum(this.w.atom("n", code.op("i32.mul", this.w.value(a), this.w.value(b)), alignment));
  }

  /**
   * The value to assign to a vector register. If it adds products to the register, fused multiply-add is used where the
   * engine has it: whether that rounds in between depends on the engine, and is the same in every run.
   */
  vectorFor(variable: Variable, value: Expr): Instruction {
    const products: Apply[] = [];
    let sum = value;
    while (this.#surroundings.isFused && sum.kind === "apply" && sum.op === "add" && sum.type === "f32") {
      const [rest, product] = [at(sum.operands, 0), at(sum.operands, 1)];
      if (product.kind !== "apply" || product.op !== "mul") break;
      products.unshift(product);
      sum = rest;
    }
    if (sum !== variable || products.length === 0) return this.vector(value);
    return products.reduce<Instruction>(
      (total, { operands }) => {
        const [a, b] = operands.map((operand) => this.vector(operand));
        if (a === undefined || b === undefined) throw new InternalError("a product has one operand");
        return code.op("f32x4.relaxed_madd", a, b, total);
      },
      code.get(this.registerOf(variable).local),
    );
  }

  /** Stores a value in a local, so that it can be used several times. */
  kept(value: Value, name: string, { type }: Pick<Expr, "type">): Value {
    if (value.kind === "index") return value;
    if (value.kind === "vector") return { kind: "vector", code: code.get(this.w.keep("v128", name, value.code)) };
    if (this.#isVector && value.code.kind === "plain" && value.code.op === "f32.load") {
      // One instruction loads a number into all lanes, and most of its uses are vectors.
      const splat = code.get(this.w.keep("v128", name, vectorOf(this.w, value, type)));
      return { kind: "scalar", code: code.lane("f32x4.extract_lane", 0, splat), splat };
    }
    return { kind: "scalar", code: code.get(this.w.keep(scalarType(type), name, value.code)) };
  }
}
