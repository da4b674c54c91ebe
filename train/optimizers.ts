/**
 * @file Optimizers as graphs: an update is an expression on tensors, traced and compiled like any other. Parameters
 * arrive as one flat array (see `arena.ts`); rules are elementwise. A rule of your own is an object of this form.
 */
import { UserError } from "../compiler/graph/errors.ts";
import { square } from "../compiler/ops/composed.ts";
import { add, div, less, mul, neg, sub } from "../compiler/ops/elementwise.ts";
import { where } from "../compiler/ops/logic.ts";
import { exp, sqrt } from "../compiler/ops/transcendental.ts";
import { constant } from "../compiler/ops/views.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";

type Float = Tensor<"f32">;
/** Arrays that an optimizer keeps from update to update, by name. */
export type Slots = Readonly<Record<string, Float>>;

/** What an update reads. */
export interface OptimizerInput {
  /** All parameters, flat. */
  readonly parameter: Float;
  /** Gradient of the loss, flat; clipped where clipping is asked for. */
  readonly gradient: Float;
  /** Arrays like the parameter that are kept from update to update; all start at zero. */
  readonly slots: Slots;
  /** Scalar: 1 at the first update. */
  readonly step: Float;
  /** Scalar. */
  readonly learningRate: Float;
}

/** A rule of update, traced into the training step. */
export interface Optimizer {
  /** For people. */
  readonly name: string;
  /** Names of the slots. */
  readonly slots: readonly string[];
  /** Traced once: the updated parameter, and every slot updated. */
  readonly update: (input: OptimizerInput) => { readonly parameter: Float; readonly slots: Slots };
}

/** p - lr g. */
export function sgd(): Optimizer {
  return {
    name: "sgd",
    slots: [],
    update: ({ parameter, gradient, learningRate }) => ({
      parameter: sub(parameter, mul(learningRate, gradient)),
      slots: {},
    }),
  };
}

/** v = beta v + g, p - lr v: Polyak 1964, in the form of Sutskever et al. 2013, with lr outside v as in PyTorch. */
export function momentum({ beta = 0.9 }: { readonly beta?: number } = {}): Optimizer {
  checkDecay("momentum", "beta", beta);
  return {
    name: "momentum",
    slots: ["velocity"],
    update: ({ parameter, gradient, slots, learningRate }) => {
      const velocity = add(mul(slots.velocity as Float, beta), gradient);
      return { parameter: sub(parameter, mul(learningRate, velocity)), slots: { velocity } };
    },
  };
}

/** Decay rates of Adam's averages. */
export interface AdamOptions {
  /** Of the gradient; 0.9 by default. */
  readonly beta1?: number;
  /** Of its square; 0.999 by default. */
  readonly beta2?: number;
  /** Added to the root of the average square; 1e-8 by default. */
  readonly epsilon?: number;
}

/** Kingma & Ba 2015, arXiv:1412.6980, algorithm 1. */
export function adam({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamOptions = {}): Optimizer {
  checkDecay("adam", "beta1", beta1);
  checkDecay("adam", "beta2", beta2);
  if (!(epsilon > 0)) throw new UserError(`adam: epsilon is ${epsilon}; expected a number above 0`);
  return {
    name: "adam",
    slots: ["mean", "variance"],
    update: ({ parameter, gradient, slots, step, learningRate }) => {
      const mean = add(mul(slots.mean as Float, beta1), mul(gradient, 1 - beta1));
      const variance = add(mul(slots.variance as Float, beta2), mul(square(gradient), 1 - beta2));
      const rate = div(learningRate, oneMinusPower(beta1, step));
      const denominator = add(sqrt(div(variance, oneMinusPower(beta2, step))), epsilon);
      return { parameter: sub(parameter, div(mul(rate, mean), denominator)), slots: { mean, variance } };
    },
  };
}

/** Adam whose weight decay acts on the parameter and not through the gradient: Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2. */
export function adamW({
  weightDecay = 0.01,
  ...options
}: AdamOptions & { readonly weightDecay?: number } = {}): Optimizer {
  if (!(weightDecay >= 0 && weightDecay < Number.POSITIVE_INFINITY))
    throw new UserError(`adamW: weightDecay is ${weightDecay}; expected a number of 0 or more`);
  const inner = adam(options);
  return {
    ...inner,
    name: "adamW",
    update: (input) => {
      const kept = sub(1, mul(input.learningRate, weightDecay));
      return inner.update({ ...input, parameter: mul(input.parameter, kept) });
    },
  };
}

/**
 * 1 - beta^step without cancellation: written plainly, f32 keeps four digits of it at the first steps for beta = 0.999.
 */
function oneMinusPower(beta: number, step: Float): Float {
  if (beta === 0) return constant(1);
  const x = mul(step, Math.log(beta));
  // 1 - e^x = -x (1 + x/2 (1 + x/3 (1 + …))), whose rest after x/8 is below 3e-14 of it for |x| < 0.1.
  const series = [8, 7, 6, 5, 4, 3, 2].reduce<Float | number>((inner, n) => add(mul(div(x, n), inner), 1), 1) as Float;
  return where(less(-0.1, x), neg(mul(x, series)), sub(1, exp(x)));
}

function checkDecay(optimizer: string, name: string, value: number): void {
  if (!(value >= 0 && value < 1)) throw new UserError(`${optimizer}: ${name} is ${value}; expected 0 or more, below 1`);
}
