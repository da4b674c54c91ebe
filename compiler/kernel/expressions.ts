/** @file Makes expressions of the kernel IR. Equal expressions are one object within a kernel. */
import type { Dim } from "../graph/dim.ts";
import { InternalError } from "../graph/errors.ts";
import type {
  Apply,
  Call,
  Expr,
  KernelArray,
  KernelFunction,
  Literal,
  Load,
  Primitive,
  Scalar,
  SizeExpr,
  Type,
  Uniform,
  Variable,
} from "./ir.ts";

/** Makes the expressions of one kernel or function. */
export class Expressions {
  readonly #known = new Map<string, Expr>();
  readonly #literals = new Map<Scalar, Map<number, Literal>>();
  /** By a hash: most expressions of a kernel are found here, and text as a key would take longest. */
  readonly #applied = new Map<number, Apply[]>();
  #count = 0;
  #mayMiss = 0;

  #interned<E extends Expr>(key: string, make: (id: number) => E): E {
    const known = this.#known.get(key);
    if (known !== undefined) return known as E;
    this.#count += 1;
    const made = make(this.#count);
    Object.freeze(made);
    this.#known.set(key, made);
    return made;
  }

  literal(value: number, type: Scalar): Literal {
    const kept =
      type === "f32" ? Math.fround(value) : type === "i32" ? value | 0 : type === "u32" ? value >>> 0 : value;
    if (Object.is(kept, -0)) return this.#interned(`${type} -0`, (id) => literalOf(id, kept, type));
    const ofType = this.#literals.get(type) ?? new Map<number, Literal>();
    this.#literals.set(type, ofType);
    let made = ofType.get(kept);
    if (made === undefined) {
      this.#count += 1;
      made = literalOf(this.#count, kept, type);
      ofType.set(kept, made);
    }
    return made;
  }

  f32 = (value: number): Literal => this.literal(value, "f32");
  u32 = (value: number): Literal => this.literal(value, "u32");
  i32 = (value: number): Literal => this.literal(value, "i32");
  bool = (value: boolean): Literal => this.literal(Number(value), "bool");

  /** A dimension as u32. */
  size(dim: Dim): Literal | SizeExpr {
    if (typeof dim === "number") return this.u32(dim);
    return this.#interned(`size ${dim}`, (id) => ({
      kind: "size",
      id,
      type: "u32",
      dim,
      depth: 0,
      isConstant: false,
      isUniform: true,
      readsShared: false,
    }));
  }

  /** A sum of dimensions as u32. */
  uniform(sum: readonly Dim[]): Uniform {
    return this.#interned(`uniform ${sum.join("+")}`, (id) => ({
      kind: "uniform",
      id,
      type: "u32",
      sum,
      depth: 0,
      isConstant: false,
      isUniform: true,
      readsShared: false,
    }));
  }

  /** A new variable on each call. */
  variable(name: string, type: Type, depth: number, isUniform = false): Variable {
    this.#count += 1;
    const id = this.#count;
    const isConstant = false;
    return Object.freeze({ kind: "variable", id, type, name, depth, isUniform, isConstant, readsShared: false });
  }

  /**
   * Values loaded inside `write` are used only under a condition: if it does not hold, indices may be out of bounds.
   */
  conditionally<T>(write: () => T): T {
    this.#mayMiss += 1;
    try {
      return write();
    } finally {
      this.#mayMiss -= 1;
    }
  }

  /** An element of an array; if it has slots, of the given slot. */
  load(array: KernelArray, index: Expr, slot?: Expr): Load {
    const mayMiss = this.#mayMiss > 0;
    const which = array.space === "global" ? `${array.element} buffer ${array.buffer}` : `${array.space} ${array.name}`;
    const operands: [Expr, ...Expr[]] = slot === undefined ? [index] : [index, slot];
    return this.#interned(`load ${which} ${mayMiss} ${idsOf(operands)}`, (id) => ({
      kind: "load",
      id,
      type: array.element,
      array,
      mayMiss,
      operands,
      depth: depthOf(operands),
      isConstant: false,
      isUniform: operands.every(isUniform) && array.space !== "registers",
      readsShared: array.space === "shared" || operands.some(readsShared),
    }));
  }

  call(callee: KernelFunction, operands: readonly Expr[]): Call {
    return this.#interned(`call ${callee.name} ${idsOf(operands)}`, (id) => ({
      kind: "call",
      id,
      type: callee.type,
      function: callee,
      operands,
      depth: depthOf(operands),
      isConstant: false,
      isUniform: operands.every(isUniform),
      readsShared: operands.some(readsShared),
    }));
  }

  apply(op: Primitive, type: Type, operands: readonly Expr[]): Apply {
    let hash = op.length;
    for (const { id } of operands) hash = (Math.imul(hash, 31) + id) | 0;
    const alike = this.#applied.get(hash);
    const isSame = (one: Apply) =>
      one.op === op &&
      one.type === type &&
      one.operands.length === operands.length &&
      operands.every((operand, i) => operand === one.operands[i]);
    const known = alike?.find(isSame);
    if (known !== undefined) return known;
    this.#count += 1;
    const made = Object.freeze<Apply>({
      kind: "apply",
      id: this.#count,
      type,
      op,
      operands,
      depth: depthOf(operands),
      isConstant: operands.every(isConstant),
      isUniform: operands.every(isUniform),
      readsShared: operands.some(readsShared),
    });
    if (alike === undefined) this.#applied.set(hash, [made]);
    else alike.push(made);
    return made;
  }

  #ofOne = (op: Primitive) => (x: Expr) => this.apply(op, x.type, [x]);
  #ofTwo =
    (op: Primitive) =>
    (a: Expr, b: Expr): Expr => {
      const type = sameType(op, a, b);
      return (type === "u32" ? this.#ofSizes(op, a, b) : undefined) ?? this.apply(op, type, [a, b]);
    };
  /** Folds arithmetic on sizes and indices: constants and neutral elements. */
  #ofSizes(op: Primitive, a: Expr, b: Expr): Expr | undefined {
    const [x, y] = [a.kind === "literal" ? a.value : undefined, b.kind === "literal" ? b.value : undefined];
    if (x !== undefined && y !== undefined) {
      const value = sizeOperations[op]?.(x, y);
      if (value !== undefined && value >= 0 && value < 2 ** 32) return this.u32(value);
    }
    if (op === "add" && x === 0) return b;
    if ((op === "add" || op === "sub") && y === 0) return a;
    if (op === "mul" && x === 1) return b;
    if (op === "rem" && y === 1) return this.u32(0);
    return (op === "mul" || op === "div") && y === 1 ? a : undefined;
  }
  #comparison = (op: Primitive) => (a: Expr, b: Expr) => {
    sameType(op, a, b);
    return this.apply(op, "bool", [a, b]);
  };

  add = this.#ofTwo("add");
  sub = this.#ofTwo("sub");
  mul = this.#ofTwo("mul");
  div = this.#ofTwo("div");
  rem = this.#ofTwo("rem");
  min = this.#ofTwo("min");
  max = this.#ofTwo("max");
  neg = this.#ofOne("neg");
  abs = this.#ofOne("abs");
  floor = this.#ofOne("floor");
  round = this.#ofOne("round");
  sqrt = this.#ofOne("sqrt");
  less = this.#comparison("less");
  lessEqual = this.#comparison("lessEqual");
  equal = this.#comparison("equal");
  notEqual = this.#comparison("notEqual");
  not = this.#ofOne("not");
  and = this.#ofTwo("and");
  or = this.#ofTwo("or");
  bitAnd = this.#ofTwo("bitAnd");
  bitOr = this.#ofTwo("bitOr");
  bitXor = this.#ofTwo("bitXor");
  bitNot = this.#ofOne("bitNot");
  countLeadingZeros = this.#ofOne("countLeadingZeros");
  /** Shifts by a u32 below 32. */
  shiftLeft = (a: Expr, by: Expr): Expr => this.apply("shiftLeft", a.type, [a, by]);
  /** Arithmetic shift for i32. */
  shiftRight = (a: Expr, by: Expr): Expr => this.apply("shiftRight", a.type, [a, by]);

  select(condition: Expr, whenTrue: Expr, whenFalse: Expr): Expr {
    if (condition.type !== "bool") throw new InternalError(`the condition of select is ${condition.type}, not bool`);
    return this.apply("select", sameType("select", whenTrue, whenFalse), [condition, whenTrue, whenFalse]);
  }

  convert(x: Expr, type: Scalar): Expr {
    return x.type === type ? x : this.apply("convert", type, [x]);
  }

  bitcast(x: Expr, type: Scalar): Expr {
    return x.type === type ? x : this.apply("bitcast", type, [x]);
  }

  packHalf(low: Expr, high: Expr): Expr {
    return this.apply("packHalf", "u32", [low, high]);
  }

  unpackHalf(word: Expr, half: 0 | 1): Expr {
    return this.apply("unpackHalf", "f32", [word, this.u32(half)]);
  }

  vector(parts: readonly Expr[]): Expr {
    return this.apply("vector", "f32x4", parts);
  }

  component(vector: Expr, i: number): Expr {
    return this.apply("component", "f32", [vector, this.u32(i)]);
  }

  fromLaneXor(x: Expr, mask: number): Expr {
    return this.apply("fromLaneXor", x.type, [x, this.u32(mask)]);
  }

  fromQuad(x: Expr, lane: number): Expr {
    return this.apply("fromQuad", x.type, [x, this.u32(lane)]);
  }

  fromLane(x: Expr, lane: number): Expr {
    return this.apply("fromLane", x.type, [x, this.u32(lane)]);
  }
}

const sizeOperations: Partial<Record<Primitive, (a: number, b: number) => number | undefined>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => (b === 0 ? undefined : Math.floor(a / b)),
  rem: (a, b) => (b === 0 ? undefined : a % b),
  bitAnd: (a, b) => (a & b) >>> 0,
  min: Math.min,
  max: Math.max,
};

function literalOf(id: number, value: number, type: Scalar): Literal {
  const facts = { depth: 0, isConstant: true, isUniform: true, readsShared: false };
  return Object.freeze({ kind: "literal", id, type, value, ...facts });
}

const isUniform = (expr: Expr) => expr.isUniform;
const isConstant = (expr: Expr) => expr.isConstant;
const readsShared = (expr: Expr) => expr.readsShared;

function idsOf(operands: readonly Expr[]): string {
  let ids = "";
  for (const { id } of operands) ids += `${id} `;
  return ids;
}

function depthOf(operands: readonly Expr[]): number {
  return operands.reduce((most, { depth }) => Math.max(most, depth), 0);
}

/** The common type of both; f32x4 and f32 combine to f32x4. */
function sameType(op: string, a: Expr, b: Expr): Type {
  if (a.type === b.type) return a.type;
  if ([a.type, b.type].every((type) => type === "f32" || type === "f32x4")) return "f32x4";
  throw new InternalError(`${op} of ${a.type} and ${b.type}`);
}
