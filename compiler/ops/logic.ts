/** @file Elementwise ops on bools and bits: equality, logic, `where`, `stopGradient` and random bits. */
import { sameShape } from "../graph/dim.ts";
import { at, UserError } from "../graph/errors.ts";
import type { DType } from "../graph/graph.ts";
import { threefry as threefry32 } from "../kernel/math/random.ts";
import { faultOf, opOptions } from "../trace/fault.ts";
import { emit } from "../trace/frame.ts";
import type { Tensor, TensorLike } from "../trace/tensor.ts";
import {
  broadcastShapes,
  type Comparison,
  comparison,
  elementwise,
  elementwiseAval,
  every,
  float,
  together,
  truth,
  type Unary,
  unary,
} from "./elementwise.ts";
import { type ElementwiseEntry, withEntry } from "./entry.ts";
import { threefry } from "./threefry.ts";
import { broadcast, constant, zerosLike } from "./views.ts";

/** a = b; false if either is NaN. */
export const equal: Comparison<"equal", DType> = comparison(
  "equal",
  {},
  {
    dtypes: every,
    scalar: ([a = 0, b = 0]) => Number(a === b),
    kernel: (e, [a, b]) => e.equal(a, b),
  },
);

/** a and b. */
export const and: Comparison<"and", "bool"> = comparison(
  "and",
  {},
  {
    dtypes: truth,
    scalar: ([a = 0, b = 0]) => Number(a !== 0 && b !== 0),
    kernel: (e, [a, b]) => e.and(a, b),
  },
);

/** a or b, or both. */
export const or: Comparison<"or", "bool"> = comparison(
  "or",
  {},
  {
    dtypes: truth,
    scalar: ([a = 0, b = 0]) => Number(a !== 0 || b !== 0),
    kernel: (e, [a, b]) => e.or(a, b),
  },
);

const finiteEntry = elementwise<"finite">("finite", {
  dtypes: float,
  result: "bool",
  // In f32: a number that is finite in float64 can be infinite on a device.
  scalar: ([x = 0]) => Number(Number.isFinite(Math.fround(x))),
  // By bit pattern: a WGSL compiler can assume that NaN and infinity do not occur.
  kernel: (e, [x]) => e.notEqual(e.bitAnd(e.bitcast(x, "u32"), e.u32(0x7f800000)), e.u32(0x7f800000)),
});

/** Whether x is finite: false for NaN and both infinities. */
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
      { dtypes: every, scalar: () => 0, kernel: (e) => e.f32(0) },
      {},
    );
  },
  scalar: ([condition, a = 0, b = 0]) => (condition === 0 ? b : a),
  kernel: (e, [condition, a, b]) => e.select(condition, a, b),
  vjp: (ct, { operands }) => {
    const condition = at(operands, 0) as Tensor as Tensor<"bool">;
    return [undefined, where(condition, ct, zerosLike(ct)), where(condition, zerosLike(ct), ct)];
  },
  jvp: ([, a, b], { operands, out }) =>
    where(at(operands, 0) as Tensor as Tensor<"bool">, a ?? zerosLike(out), b ?? zerosLike(out)),
};

export interface Where {
  <D extends DType>(condition: Tensor<"bool">, a: number, b: Tensor<D>): Tensor<D>;
  <D extends DType = "f32">(
    condition: Tensor<"bool">,
    a: Tensor<D> | number,
    b: Tensor<NoInfer<D>> | number,
  ): Tensor<D>;
}

/**
 * a where the condition is true, b elsewhere. Both are computed. The branch not taken gets a gradient of exactly 0 even
 * if it is infinite or NaN there, as sqrt, log and x / y can be: `where(less(0, x), sqrt(x), x)` has derivative 1 at 0
 * and below. This does not cover sums and products that overflow in a branch, nor matrix products of infinities.
 */
export const where = withEntry(
  (<D extends DType>(condition: Tensor<"bool">, a: Tensor<D> | number, b: Tensor<D> | number): Tensor<D> => {
    const values = together("where", [a, b]);
    if (typeof condition === "number") throw faultOf("where", `the condition is ${condition}; expected a bool tensor`);
    const shape = broadcastShapes("where", [condition.shape, at(values, 0).shape]);
    return emit(
      whereEntry,
      [condition, ...values].map((x) => (sameShape(x.shape, shape) ? x : broadcast(x, shape))),
      {},
    ) as Tensor<D>;
  }) as Where,
  whereEntry,
);

/** x itself; no gradient flows through it, in either mode. */
export const stopGradient: Unary<"stopGradient", DType> = unary(
  "stopGradient",
  {},
  {
    dtypes: every,
    scalar: ([x = 0]) => x,
    kernel: (_, [x]) => x,
  },
);

const randomBitsEntry = elementwise<"randomBits">("randomBits", {
  dtypes: ["u32"],
  scalar: ([key = 0, site = 0, step = 0, index = 0]) => threefry(key, site, step, index),
  kernel: (e, operands) => e.call(threefry32, operands),
  cheap: false,
});

/**
 * 32 random bits for every (key, site, step, index): Threefry-2x32 with 20 rounds under the key (key, site), counter
 * (step, index); Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3". A pure function: equal operands
 * give equal bits, so the backward pass computes the same mask again.
 */
export const randomBits = withEntry(
  (
    key: Tensor<"u32"> | number,
    counter: { site?: TensorLike<"u32">; step?: TensorLike<"u32">; index: Tensor<"u32"> },
  ) => {
    const scalarOf = (x: TensorLike<"u32">) => (typeof x === "number" ? constant(x, "u32") : x);
    const {
      site = 0,
      step = 0,
      index,
    } = opOptions("randomBits", counter, { site: "any", step: "any", index: "tensor" });
    return emit(randomBitsEntry, together("randomBits", [key, site, step, index].map(scalarOf)), {}) as Tensor<"u32">;
  },
  randomBitsEntry,
);
