/**
 * @file Inputs of a decoder: the targets, or the model's own prediction at the previous step.
 *
 * - Teacher forcing reads the targets, one step late: `delayed`. Williams & Zipser 1989, "A learning algorithm for
 *   continually running fully recurrent neural networks".
 * - Scheduled sampling reads the model's prediction instead with some probability: `scheduledSample`. Bengio et al. 2015,
 *   arXiv:1506.03099, section 2.4.
 * - A generative model (one to many) reads only its own predictions: the same with probability 1.
 */
import { bernoulli, type Randomness } from "../../compiler/dsl/randomness.ts";
import { recurrence } from "../../compiler/dsl/recurrence.ts";
import { type Dim, formatShape, sameShape } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { DType } from "../../compiler/graph/graph.ts";
import { positions, uniformFromBits } from "../../compiler/ops/composed.ts";
import { reduceMax } from "../../compiler/ops/contractions.ts";
import { abs, cast, max, neg, not, sub } from "../../compiler/ops/elementwise.ts";
import { equal, finite, or, randomBits, stopGradient, where } from "../../compiler/ops/logic.ts";
import { iota } from "../../compiler/ops/sources.ts";
import { log } from "../../compiler/ops/transcendental.ts";
import { broadcast, broadcastAxes, reshape } from "../../compiler/ops/views.ts";
import { faultOf, opOptions } from "../../compiler/trace/fault.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";

type Float = Tensor<"f32">;

/** xs [time, batch, …] one step late: `first` [batch, …], then xs without its last step. */
export function delayed<D extends DType>(xs: Tensor<D>, first: Tensor<D>): Tensor<D> {
  if (xs.dtype !== first.dtype || !sameShape(xs.shape.slice(1), first.shape))
    throw faultOf("delayed", `the first step is ${first}; expected one step of ${xs}`);
  return recurrence((before: Tensor<D>, x: Tensor<D>) => ({ state: x, output: before }), first, xs, { name: "delayed" })
    .outputs;
}

/** Repeats x [batch, …] at each of `time` steps: [time, batch, …]. The input of a decoder of one vector (one to many). */
export function repeated<D extends DType>(x: Tensor<D>, time: Dim): Tensor<D> {
  return broadcastAxes(
    x,
    [time, ...x.shape],
    x.shape.map((_, axis) => axis + 1),
  );
}

/** Options of `scheduledSample`. */
export interface Feeding {
  /** Probability of the model's prediction: a number, or a scalar that follows a schedule, such as an input of a step. */
  readonly rate: number | Float;
  /** Without it, in evaluation, only a rate of 1 uses the model's prediction. */
  readonly random?: Randomness | undefined;
  /** Number of the step [batch]. */
  readonly step?: Tensor<"u32"> | undefined;
}

/**
 * Returns the target [batch, …], or with probability `rate`, for each row independently, the model's prediction, of the same
 * dtype and shape. Gradients flow through both; apply `stopGradient` to the prediction to prevent that.
 */
export function scheduledSample<D extends DType>(truth: Tensor<D>, said: Tensor<D>, feeding: Feeding): Tensor<D> {
  const kinds = { rate: "any", random: "object", step: "tensor" } as const;
  const { rate, random, step } = opOptions("scheduledSample", feeding, kinds);
  if (truth.dtype !== said.dtype || !sameShape(truth.shape, said.shape))
    throw faultOf("scheduledSample", `the target is ${truth} and the prediction ${said}; expected one dtype and shape`);
  if (rate === 1) return said;
  if (random === undefined || rate === 0) return truth;
  const rows = bernoulli(random, rate, [at(truth.shape, 0)], step);
  const wide = broadcast(reshape(rows, [...rows.shape, ...truth.shape.slice(1).map(() => 1)]), truth.shape);
  return where(wide, said, truth);
}

/**
 * The class with the largest logit, i32 [...] of logits [..., classes]; the first one in a tie. NaN counts as the largest,
 * as in NumPy.
 */
export function argmax(logits: Float): Tensor<"i32"> {
  const classes = logits.shape.at(-1);
  if (typeof classes !== "number")
    throw faultOf("argmax", `logits are ${formatShape(logits.shape)}; expected a known number of classes`);
  const values = stopGradient(logits);
  const isLargest = or(isNotANumber(values), equal(values, reduceMax(values, -1, { keepAxes: true })));
  const place = iota(logits.shape, logits.shape.length - 1, "f32");
  return cast(neg(reduceMax(where(isLargest, neg(place), -classes), -1)), "i32");
}

/** Whether x is NaN. Does not compare x with itself, which a driver may optimize to true. */
function isNotANumber(x: Float): Tensor<"bool"> {
  return not(or(finite(x), equal(abs(x), Number.POSITIVE_INFINITY)));
}

/**
 * Samples a class from softmax(logits), i32 [...] of logits [..., classes], by the Gumbel-max trick: Maddison, Tarlow &
 * Minka 2014, "A* sampling", section 2. In a step of a loop pass the step's number [batch]. A logit that is NaN is always
 * chosen, as by `argmax`.
 */
export function sampled(logits: Float, random: Randomness, step?: Tensor<"u32">): Tensor<"i32"> {
  const index = positions(logits.shape);
  const wide = step && broadcast(reshape(step, [...step.shape, ...logits.shape.slice(1).map(() => 1)]), logits.shape);
  const bits = randomBits(random.key, { site: random.site, index, ...(wide === undefined ? {} : { step: wide }) });
  // Half a step above 0, so that no logarithm is infinite.
  const uniform = max(uniformFromBits(bits), 2 ** -25);
  return argmax(sub(logits, log(neg(log(uniform)))));
}
