/**
 * @file Elementwise ops: value, WGSL and derivative of each on one screen. A new one is one entry here, its name in
 * `graph/attrs.ts` and a line in `ops/table.ts`.
 *
 * `partials` gives the derivative of the result with respect to each operand; both modes of differentiation follow
 * from it. A partial of 1 or -1 is written as that number, and undefined means that the op does not differentiate there.
 */
import type { OpAttrs } from "../graph/attrs.ts";
import { formatShape, type Shape, sameShape } from "../graph/dim.ts";
import { at, UserError } from "../graph/errors.ts";
import type { Aval, DType, OpName } from "../graph/graph.ts";
import { faultOf } from "../trace/fault.ts";
import { emit } from "../trace/frame.ts";
import { Tensor, type TensorLike } from "../trace/tensor.ts";
import { type ElementwiseEntry, type Op, type RuleContext, withEntry } from "./entry.ts";
import { threefry } from "./threefry.ts";
import { broadcast, constant, zerosLike } from "./views.ts";

type Float = Tensor<"f32">;
type Partial = Float | 1 | -1 | undefined;
type NumberType = "f32" | "i32" | "u32";

interface Rules<K extends OpName> {
  readonly dtypes: readonly DType[];
  readonly result?: DType;
  readonly scalar: ElementwiseEntry<K>["scalar"];
  readonly wgsl: ElementwiseEntry<K>["wgsl"];
  readonly partials?: (context: RuleContext<K>) => readonly Partial[];
  readonly cheap?: boolean;
}

const float: readonly DType[] = ["f32"];
const numeric: readonly DType[] = ["f32", "i32", "u32"];
const truth: readonly DType[] = ["bool"];
const every: readonly DType[] = ["f32", "i32", "u32", "bool"];

function elementwise<K extends OpName>(op: K, rules: Rules<K>): ElementwiseEntry<K> {
  return {
    kind: "elementwise",
    op,
    cheap: rules.cheap ?? true,
    scalar: rules.scalar,
    wgsl: rules.wgsl,
    aval: (operands, attrs) => elementwiseAval(operands, rules, attrs),
    vjp: (ct, context) => {
      const partials = rules.partials?.(context) ?? [];
      return context.operands.map((_, i) => scale(ct, partials[i]));
    },
    jvp: (tangents, context) => {
      const partials = rules.partials?.(context) ?? [];
      const terms = tangents
        .map((tangent, i) => tangent && scale(tangent, partials[i]))
        .filter((term) => term !== undefined);
      return terms.length === 0 ? undefined : terms.reduce((total, term) => add(total, term));
    },
  };
}

function scale(x: Float, partial: Partial): Float | undefined {
  if (partial === undefined) return undefined;
  if (partial === 1) return x;
  return partial === -1 ? neg(x) : mul(x, partial);
}

function elementwiseAval<K extends OpName>(operands: readonly Aval[], rules: Rules<K>, attrs: OpAttrs[K]): Aval {
  const first = at(operands, 0);
  for (const [i, operand] of operands.entries()) {
    if (!rules.dtypes.includes(operand.dtype)) {
      throw new UserError(`operand ${i} is ${operand.dtype}; expected ${rules.dtypes.join(" or ")} (cast it)`);
    }
    if (operand.dtype !== first.dtype) {
      throw new UserError(`operands are ${first.dtype} and ${operand.dtype}; expected one dtype (cast one of them)`);
    }
    if (!sameShape(operand.shape, first.shape)) {
      throw new UserError(`expected shape ${formatShape(first.shape)}, got ${formatShape(operand.shape)}`);
    }
  }
  const target = (attrs as { readonly dtype?: DType }).dtype;
  return { dtype: target ?? rules.result ?? first.dtype, shape: first.shape };
}

// -- implicit broadcasting --------------------------------------------------------------------------------------------

/** The common shape of tensors by the usual rule: axes matched from the right, 1 repeats. */
export function broadcastShapes(op: string, shapes: readonly Shape[]): Shape {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const dims = shapes
      .map((shape) => shape[axis - rank + shape.length])
      .filter((dim) => dim !== undefined && dim !== 1);
    if (dims.some((dim) => dim !== dims[0])) {
      throw faultOf(
        op,
        `shapes ${shapes.map(formatShape).join(" and ")} do not fit: axes are matched from the right and must be equal or 1`,
      );
    }
    return dims[0] ?? 1;
  });
}

/** Turns numbers into constants of the tensors' dtype and repeats every operand to the common shape. */
export function together(op: string, operands: readonly (Tensor | number)[]): Tensor[] {
  const dtype = operands.find((operand) => operand instanceof Tensor)?.dtype ?? "f32";
  const tensors = operands.map((operand) => (typeof operand === "number" ? constant(operand, dtype) : operand));
  const shape = broadcastShapes(
    op,
    tensors.map((tensor) => tensor.shape),
  );
  return tensors.map((tensor) => (sameShape(tensor.shape, shape) ? tensor : broadcast(tensor, shape)));
}

type Unary<K extends OpName, D extends DType = "f32"> = Op<K, <X extends D>(x: Tensor<X> | number) => Tensor<X>>;
type Binary<K extends OpName, D extends DType = NumberType> = Op<
  K,
  <X extends D>(a: Tensor<X> | number, b: Tensor<X> | number) => Tensor<X>
>;

function unary<K extends OpName, D extends DType = "f32">(op: K, attrs: OpAttrs[K], rules: Rules<K>): Unary<K, D> {
  const entry = elementwise(op, rules);
  return withEntry(<X extends D>(x: Tensor<X> | number) => emit(entry, together(op, [x]), attrs) as Tensor<X>, entry);
}

function binary<K extends OpName, D extends DType = NumberType>(
  op: K,
  attrs: OpAttrs[K],
  rules: Rules<K>,
): Binary<K, D> {
  const entry = elementwise(op, rules);
  const call = <X extends D>(a: Tensor<X> | number, b: Tensor<X> | number) =>
    emit(entry, together(op, [a, b]), attrs) as Tensor<X>;
  return withEntry(call, entry);
}

type Comparison<K extends OpName, D extends DType> = Op<
  K,
  <X extends D>(a: Tensor<X> | number, b: Tensor<X> | number) => Tensor<"bool">
>;

function comparison<K extends OpName, D extends DType>(op: K, attrs: OpAttrs[K], rules: Rules<K>): Comparison<K, D> {
  const entry = elementwise(op, { ...rules, result: "bool" });
  const call = <X extends D>(a: Tensor<X> | number, b: Tensor<X> | number) =>
    emit(entry, together(op, [a, b]), attrs) as Tensor<"bool">;
  return withEntry(call, entry);
}

// -- arithmetic -------------------------------------------------------------------------------------------------------

export const add: Binary<"add"> = binary(
  "add",
  {},
  {
    dtypes: numeric,
    scalar: ([a = 0, b = 0]) => a + b,
    wgsl: ([a, b]) => `(${a} + ${b})`,
    partials: () => [1, 1],
  },
);

export const sub: Binary<"sub"> = binary(
  "sub",
  {},
  {
    dtypes: numeric,
    scalar: ([a = 0, b = 0]) => a - b,
    wgsl: ([a, b]) => `(${a} - ${b})`,
    partials: () => [1, -1],
  },
);

export const mul: Binary<"mul"> = binary(
  "mul",
  {},
  {
    dtypes: numeric,
    scalar: ([a = 0, b = 0], dtype) => (dtype === "f32" ? a * b : Math.imul(a, b)),
    wgsl: ([a, b]) => `(${a} * ${b})`,
    partials: ({ operands: [a, b] }) => [b, a],
  },
);

export const div: Binary<"div"> = binary(
  "div",
  {},
  {
    dtypes: numeric,
    // WGSL defines integer division by zero as the dividend.
    scalar: ([a = 0, b = 0], dtype) => (dtype === "f32" ? a / b : b === 0 ? a : Math.trunc(a / b)),
    wgsl: ([a, b]) => `(${a} / ${b})`,
    partials: ({ operands: [, b], out }) => [div(1, b), neg(div(out, b))],
  },
);

export const neg: Unary<"neg", "f32" | "i32"> = unary(
  "neg",
  {},
  {
    dtypes: ["f32", "i32"],
    scalar: ([x = 0]) => -x,
    wgsl: ([x]) => `(-${x})`,
    partials: () => [-1],
  },
);

/** The larger operand; where both are equal, the gradient is split in halves. */
export const max: Binary<"max"> = binary(
  "max",
  {},
  {
    dtypes: numeric,
    scalar: ([a = 0, b = 0]) => Math.max(a, b),
    wgsl: ([a, b]) => `max(${a}, ${b})`,
    partials: ({ operands: [a, b] }) => [share(b, a), share(a, b)],
  },
);

/** The smaller operand; where both are equal, the gradient is split in halves. */
export const min: Binary<"min"> = binary(
  "min",
  {},
  {
    dtypes: numeric,
    scalar: ([a = 0, b = 0]) => Math.min(a, b),
    wgsl: ([a, b]) => `min(${a}, ${b})`,
    partials: ({ operands: [a, b] }) => [share(a, b), share(b, a)],
  },
);

/** 1 where a < b, a half where they are equal, 0 elsewhere. */
function share(a: Tensor<"f32">, b: Tensor<"f32">): Tensor<"f32"> {
  return add(mul(cast(less(a, b), "f32"), 0.5), mul(cast(not(less(b, a)), "f32"), 0.5));
}

/** |x|, whose derivative at 0 is taken as 0. */
export const abs: Unary<"abs", "f32" | "i32"> = unary(
  "abs",
  {},
  {
    dtypes: ["f32", "i32"],
    scalar: ([x = 0]) => Math.abs(x),
    wgsl: ([x]) => `abs(${x})`,
    partials: ({ operands: [x] }) => [sub(cast(less(0, x), "f32"), cast(less(x, 0), "f32"))],
  },
);

/** The largest whole number that is not above x; its derivative is 0. */
export const floor: Unary<"floor"> = unary(
  "floor",
  {},
  {
    dtypes: float,
    scalar: ([x = 0]) => Math.floor(x),
    wgsl: ([x]) => `floor(${x})`,
  },
);

// -- transcendental ---------------------------------------------------------------------------------------------------

export const exp: Unary<"exp"> = unary(
  "exp",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.exp(x),
    wgsl: ([x]) => `exp(${x})`,
    partials: ({ out }) => [out],
  },
);

export const log: Unary<"log"> = unary(
  "log",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.log(x),
    wgsl: ([x]) => `log(${x})`,
    partials: ({ operands: [x] }) => [div(1, x)],
  },
);

export const sqrt: Unary<"sqrt"> = unary(
  "sqrt",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.sqrt(x),
    wgsl: ([x]) => `sqrt(${x})`,
    partials: ({ out }) => [div(0.5, out)],
  },
);

export const sin: Unary<"sin"> = unary(
  "sin",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.sin(x),
    wgsl: ([x]) => `cg_sin(${x})`,
    partials: ({ operands: [x] }) => [cos(x)],
  },
);

export const cos: Unary<"cos"> = unary(
  "cos",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.cos(x),
    wgsl: ([x]) => `cg_cos(${x})`,
    partials: ({ operands: [x] }) => [neg(sin(x))],
  },
);

export const tanh: Unary<"tanh"> = unary(
  "tanh",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.tanh(x),
    wgsl: ([x]) => `cg_tanh(${x})`,
    partials: ({ out }) => [sub(1, mul(out, out))],
  },
);

/** 1 / (1 + e^-x). */
export const sigmoid: Unary<"sigmoid"> = unary(
  "sigmoid",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => 1 / (1 + Math.exp(-x)),
    wgsl: ([x]) => `cg_sigmoid(${x})`,
    partials: ({ out }) => [mul(out, sub(1, out))],
  },
);

/** log(1 + e^x), without overflow. */
export const softplus: Unary<"softplus"> = unary(
  "softplus",
  {},
  {
    dtypes: float,
    cheap: false,
    scalar: ([x = 0]) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    wgsl: ([x]) => `cg_softplus(${x})`,
    partials: ({ operands: [x] }) => [sigmoid(x)],
  },
);

// -- truth ------------------------------------------------------------------------------------------------------------

export const less: Comparison<"less", NumberType> = comparison(
  "less",
  {},
  {
    dtypes: numeric,
    scalar: ([a = 0, b = 0]) => Number(a < b),
    wgsl: ([a, b]) => `(${a} < ${b})`,
  },
);

export const equal: Comparison<"equal", DType> = comparison(
  "equal",
  {},
  {
    dtypes: every,
    scalar: ([a = 0, b = 0]) => Number(a === b),
    wgsl: ([a, b]) => `(${a} == ${b})`,
  },
);

export const and: Comparison<"and", "bool"> = comparison(
  "and",
  {},
  {
    dtypes: truth,
    scalar: ([a = 0, b = 0]) => Number(a !== 0 && b !== 0),
    wgsl: ([a, b]) => `(${a} && ${b})`,
  },
);

export const or: Comparison<"or", "bool"> = comparison(
  "or",
  {},
  {
    dtypes: truth,
    scalar: ([a = 0, b = 0]) => Number(a !== 0 || b !== 0),
    wgsl: ([a, b]) => `(${a} || ${b})`,
  },
);

export const not: Unary<"not", "bool"> = unary(
  "not",
  {},
  {
    dtypes: truth,
    scalar: ([x = 0]) => Number(x === 0),
    wgsl: ([x]) => `(!${x})`,
  },
);

const finiteEntry = elementwise<"finite">("finite", {
  dtypes: float,
  result: "bool",
  scalar: ([x = 0]) => Number(Number.isFinite(x)),
  // By bit pattern: WGSL lets a compiler assume that NaN and infinity do not occur.
  wgsl: ([x]) => `((bitcast<u32>(${x}) & 0x7f800000u) != 0x7f800000u)`,
});

/** False for NaN and for both infinities. */
export const finite = withEntry((x: Tensor<"f32">) => emit(finiteEntry, [x], {}) as Tensor<"bool">, finiteEntry);

const whereEntry: ElementwiseEntry<"where"> = {
  kind: "elementwise",
  op: "where",
  cheap: true,
  aval: (operands) => {
    const [condition, a, b] = operands;
    if (condition?.dtype !== "bool") throw new UserError(`the condition is ${condition?.dtype}; expected bool`);
    return elementwiseAval(
      [a, b].filter((x) => x !== undefined),
      { dtypes: every, scalar: () => 0, wgsl: () => "" },
      {},
    );
  },
  scalar: ([condition, a = 0, b = 0]) => (condition === 0 ? b : a),
  wgsl: ([condition, a, b]) => `select(${b}, ${a}, ${condition})`,
  vjp: (ct, { operands }) => {
    const condition = at(operands, 0) as Tensor as Tensor<"bool">;
    return [undefined, where(condition, ct, zerosLike(ct)), where(condition, zerosLike(ct), ct)];
  },
  jvp: ([, a, b], { operands, out }) => {
    if (a === undefined && b === undefined) return undefined;
    return where(at(operands, 0) as Tensor as Tensor<"bool">, a ?? zerosLike(out), b ?? zerosLike(out));
  },
};

/** a where the condition holds, b elsewhere. Both are computed; neither's gradient leaks into the other. */
export const where = withEntry(
  <D extends DType = "f32">(condition: Tensor<"bool">, a: Tensor<D> | number, b: Tensor<D> | number): Tensor<D> => {
    const values = together("where", [a, b]);
    const shape = broadcastShapes("where", [condition.shape, at(values, 0).shape]);
    return emit(
      whereEntry,
      [condition, ...values].map((x) => (sameShape(x.shape, shape) ? x : broadcast(x, shape))),
      {},
    ) as Tensor<D>;
  },
  whereEntry,
);

// -- dtype, gradient and chance ---------------------------------------------------------------------------------------

const castEntry = elementwise<"cast">("cast", {
  dtypes: every,
  scalar: ([x = 0], dtype) => (dtype === "f32" ? x : dtype === "bool" ? Number(x !== 0) : Math.trunc(x)),
  wgsl: ([x], dtype) => `${dtype}(${x})`,
  partials: ({ out }) => [out.dtype === "f32" ? 1 : undefined],
});

/** The same number in another dtype: f32 to an integer truncates towards zero, to bool asks whether it is not 0. */
export const cast = withEntry(<D extends DType>(x: Tensor, dtype: D): Tensor<D> => {
  return (x.dtype === dtype ? x : emit(castEntry, [x], { dtype })) as Tensor<D>;
}, castEntry);

/** x itself, through which no gradient flows, in either mode. */
export const stopGradient: Unary<"stopGradient", DType> = unary(
  "stopGradient",
  {},
  {
    dtypes: every,
    scalar: ([x = 0]) => x,
    wgsl: ([x]) => `${x}`,
  },
);

const randomBitsEntry = elementwise<"randomBits">("randomBits", {
  dtypes: ["u32"],
  scalar: ([key = 0, site = 0, step = 0, index = 0]) => threefry(key, site, step, index),
  wgsl: (operands) => `cg_threefry(${operands.join(", ")})`,
  cheap: false,
});

/**
 * 32 random bits for every (key, site, step, index): Threefry-2x32 with 20 rounds under the key (key, site), counter
 * (step, index); Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". A pure function: equal operands
 * give equal bits, so the backward pass makes the same mask again.
 */
export const randomBits = withEntry(
  (
    key: Tensor<"u32"> | number,
    counter: { site?: TensorLike<"u32">; step?: TensorLike<"u32">; index: Tensor<"u32"> },
  ) => {
    const scalarOf = (x: TensorLike<"u32">) => (typeof x === "number" ? constant(x, "u32") : x);
    const { site = 0, step = 0, index } = counter;
    return emit(randomBitsEntry, together("randomBits", [key, site, step, index].map(scalarOf)), {}) as Tensor<"u32">;
  },
  randomBitsEntry,
);
