/**
 * @file Gradient descent, momentum, Adam and AdamW: update rules that are elementwise on one flat array of all parameters
 * (see `arena.ts`), traced and compiled like any other graph.
 */
import { UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { square } from "../../compiler/ops/composed.ts";
import { add, div, mul, neg, sub } from "../../compiler/ops/elementwise.ts";
import { expm1, sqrt } from "../../compiler/ops/transcendental.ts";
import { constant } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Rate } from "../hyperparameter.ts";
import type { Optimizer } from "./optimizer.ts";
import { checkDecayRate, type DecayGroup, withWeightDecay } from "./weight-decay.ts";

type Float = Tensor<"f32">;

/** p - lr g. */
export function sgd(options: Readonly<Record<never, never>> = {}): Optimizer {
  checkedOptions("sgd", options, {});
  return {
    name: "sgd",
    slots: [],
    update: ({ parameter, gradient, learningRate }) => ({
      parameter: sub(parameter, mul(learningRate, gradient)),
      slots: {},
    }),
  };
}

/** Options of `momentum`. */
export interface MomentumOptions {
  /** Decay factor of the velocity; 0.9 by default. */
  readonly beta?: number;
  /** Nesterov momentum: the step is g + beta v instead of v. */
  readonly nesterov?: boolean;
}

/**
 * v = beta v + g, p - lr v: Polyak 1964, in the form of Sutskever et al. 2013, with lr outside v as in PyTorch. Nesterov's
 * form is p - lr (g + beta v), with the new v.
 */
export function momentum(options: MomentumOptions = {}): Optimizer {
  const { beta = 0.9, nesterov = false } = checkedOptions("momentum", options, { beta: "number", nesterov: "boolean" });
  checkDecay("momentum", "beta", beta);
  return {
    name: nesterov ? "nesterov" : "momentum",
    slots: ["velocity"],
    update: ({ parameter, gradient, slots, learningRate }) => {
      const velocity = add(mul(slots.velocity as Float, beta), gradient);
      const direction = nesterov ? add(gradient, mul(velocity, beta)) : velocity;
      return { parameter: sub(parameter, mul(learningRate, direction)), slots: { velocity } };
    },
  };
}

/** Options of `adam`. */
export interface AdamOptions {
  /** Decay rate of the average gradient; 0.9 by default. */
  readonly beta1?: number;
  /** Decay rate of its average square; 0.999 by default. */
  readonly beta2?: number;
  /** Added to the root of the average square; 1e-8 by default. */
  readonly epsilon?: number;
}

const ofAdam = { beta1: "number", beta2: "number", epsilon: "number" } as const;

/** Kingma & Ba 2015, arXiv:1412.6980, algorithm 1. */
export function adam(options: AdamOptions = {}): Optimizer {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = checkedOptions("adam", options, ofAdam);
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

/** Options of `adamW`. */
export interface AdamWOptions extends AdamOptions {
  /** Fraction of a weight that is subtracted at each update, times the learning rate; 0.01 by default. */
  readonly weightDecay?: Rate;
  /** Which parameters decay; all by default. */
  readonly decays?: DecayGroup;
}

/** Adam with weight decay on the parameter instead of the gradient: Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2. */
export function adamW(options: AdamWOptions = {}): Optimizer {
  const kinds = { ...ofAdam, weightDecay: "any", decays: "function" } as const;
  const { weightDecay = 0.01, decays, ...rest } = checkedOptions("adamW", options, kinds);
  checkDecayRate("adamW: weightDecay", weightDecay);
  return { ...withWeightDecay(adam(rest), { rate: weightDecay, ...(decays && { decays }) }), name: "adamW" };
}

/** 1 - beta^step without cancellation: for beta = 0.999, f32 would be left with four digits at the first steps. */
function oneMinusPower(beta: number, step: Float): Float {
  return beta === 0 ? constant(1) : neg(expm1(mul(step, Math.log(beta))));
}

/** Throws for an invalid decay rate. */
export function checkDecay(optimizer: string, name: string, value: number): void {
  if (!(value >= 0 && value < 1)) throw new UserError(`${optimizer}: ${name} is ${value}; expected 0 or more, below 1`);
}
