/** @file Optimizers that scale each element's step by the history of its gradient, and Lion, which uses only its sign. */
import { UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { square } from "../../compiler/ops/composed.ts";
import { add, cast, div, less, max, mul, sub } from "../../compiler/ops/elementwise.ts";
import { sqrt } from "../../compiler/ops/transcendental.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { checkDecay } from "./gradient-descent.ts";
import type { Optimizer } from "./optimizer.ts";

type Float = Tensor<"f32">;

/** Options of `rmsProp`. */
export interface RmsPropOptions {
  /** Decay rate of the averages; 0.99 by default. */
  readonly decay?: number;
  /** Added to the root of the average square; 1e-8 by default. */
  readonly epsilon?: number;
  /** Whether the average gradient is subtracted, which makes it a variance: Graves 2013, arXiv:1308.0850, eq. 38-41. */
  readonly centred?: boolean;
  /** Decay factor of a velocity of scaled gradients; 0, without a velocity, by default. */
  readonly momentum?: number;
}

/**
 * s = decay s + (1 - decay) g^2, p - lr g / (sqrt(s) + epsilon): Tieleman & Hinton 2012, lecture 6.5, with epsilon where
 * PyTorch has it. Centred, the root is that of s - m^2 with m the average gradient; with momentum, v = momentum v +
 * g / (…) and p - lr v.
 */
export function rmsProp(options: RmsPropOptions = {}): Optimizer {
  const {
    decay = 0.99,
    epsilon = 1e-8,
    centred = false,
    momentum = 0,
  } = checkedOptions("rmsProp", options, {
    decay: "number",
    epsilon: "number",
    centred: "boolean",
    momentum: "number",
  });
  checkDecay("rmsProp", "decay", decay);
  checkDecay("rmsProp", "momentum", momentum);
  checkEpsilon("rmsProp", epsilon);
  return {
    name: "rmsProp",
    slots: ["square", ...(centred ? ["mean"] : []), ...(momentum > 0 ? ["velocity"] : [])],
    update: ({ parameter, gradient, slots, learningRate }) => {
      const average = (slot: Float, value: Float) => add(mul(slot, decay), mul(value, 1 - decay));
      const ofSquare = average(slots.square as Float, square(gradient));
      const mean = centred ? average(slots.mean as Float, gradient) : undefined;
      // A mean square is never below the squared mean, except by rounding.
      const variance = mean === undefined ? ofSquare : max(sub(ofSquare, square(mean)), 0);
      const scaled = div(gradient, add(sqrt(variance), epsilon));
      const velocity = momentum > 0 ? add(mul(slots.velocity as Float, momentum), scaled) : undefined;
      return {
        parameter: sub(parameter, mul(learningRate, velocity ?? scaled)),
        slots: { square: ofSquare, ...(mean && { mean }), ...(velocity && { velocity }) },
      };
    },
  };
}

/** Options of `adagrad`. */
export interface AdagradOptions {
  /** Added to the root of the sum of squares; 1e-10 by default. */
  readonly epsilon?: number;
  /** Initial sum of squares; 0 by default. */
  readonly initial?: number;
}

/** s = s + g^2, p - lr g / (sqrt(s) + epsilon): Duchi, Hazan & Singer 2011, with diagonal matrices. */
export function adagrad(options: AdagradOptions = {}): Optimizer {
  const { epsilon = 1e-10, initial = 0 } = checkedOptions("adagrad", options, { epsilon: "number", initial: "number" });
  checkEpsilon("adagrad", epsilon);
  if (!(initial >= 0 && initial < Number.POSITIVE_INFINITY))
    throw new UserError(`adagrad: initial is ${initial}; expected a number of 0 or more`);
  return {
    name: "adagrad",
    slots: ["squares"],
    update: ({ parameter, gradient, slots, learningRate }) => {
      const squares = add(slots.squares as Float, square(gradient));
      const root = sqrt(initial === 0 ? squares : add(squares, initial));
      return {
        parameter: sub(parameter, div(mul(learningRate, gradient), add(root, epsilon))),
        slots: { squares },
      };
    },
  };
}

/** Options of `lion`. */
export interface LionOptions {
  /** Weight of the average in the step; 0.9 by default. */
  readonly beta1?: number;
  /** Decay rate of the average; 0.99 by default. */
  readonly beta2?: number;
}

/**
 * p - lr sign(beta1 m + (1 - beta1) g), m = beta2 m + (1 - beta2) g: Chen et al. 2023, arXiv:2302.06675, algorithm 2, whose
 * weight decay is that of `withWeightDecay`. Every element moves by the learning rate, so use a third to a tenth of Adam's.
 */
export function lion(options: LionOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.99 } = checkedOptions("lion", options, { beta1: "number", beta2: "number" });
  checkDecay("lion", "beta1", beta1);
  checkDecay("lion", "beta2", beta2);
  return {
    name: "lion",
    slots: ["mean"],
    update: ({ parameter, gradient, slots, learningRate }) => {
      const before = slots.mean as Float;
      const blend = (beta: number) => add(mul(before, beta), mul(gradient, 1 - beta));
      return {
        parameter: sub(parameter, mul(learningRate, sign(blend(beta1)))),
        slots: { mean: blend(beta2) },
      };
    },
  };
}

/** 1, 0 or -1. */
function sign(x: Float): Float {
  return sub(cast(less(0, x), "f32"), cast(less(x, 0), "f32"));
}

function checkEpsilon(optimizer: string, epsilon: number): void {
  if (!(epsilon > 0 && epsilon < Number.POSITIVE_INFINITY))
    throw new UserError(`${optimizer}: epsilon is ${epsilon}; expected a number above 0`);
}
