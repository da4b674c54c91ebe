/** @file Weight decay for any optimizer, and which parameters decay. */
import type { Shape } from "../../compiler/graph/dim.ts";
import { expectArgument, inWords, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { add, mul, sub } from "../../compiler/ops/elementwise.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { type Arena, type ArenaEntry, perParameter } from "../arena.ts";
import { numberOf, type Rate, rateValue } from "../hyperparameter.ts";
import type { Optimizer } from "./optimizer.ts";

/** Whether a parameter decays, from its path, such as `layers/0/lstm/forget/kernel`, and its shape. */
export type DecayGroup = (path: string, shape: Shape) => boolean;

/** The group of matrices: kernels and embeddings decay; biases and gains do not. */
export const matrices: DecayGroup = (_path, shape) => shape.length >= 2;

/** Options of `withWeightDecay`. */
export interface WeightDecayOptions {
  /** Decay rate: 0 or more. */
  readonly rate: Rate;
  /** Which parameters decay; all by default. */
  readonly decays?: DecayGroup;
  /**
   * `weights` (the default): a weight shrinks by the fraction lr · rate, decoupled from the gradient (Loshchilov & Hutter
   * 2019, arXiv:1711.05101), as in AdamW, SGDW and Lion. `gradient`: rate · p is added to the gradient, as in L2
   * regularisation and PyTorch's `weight_decay` of SGD, Adam, RMSprop and Adagrad.
   */
  readonly through?: "weights" | "gradient";
}

/** The optimizer with weight decay. */
export function withWeightDecay(optimizer: Optimizer, options: WeightDecayOptions): Optimizer {
  const {
    rate,
    decays,
    through = "weights",
  } = checkedOptions("withWeightDecay", options, {
    rate: "any",
    decays: "function",
    through: { weights: 1, gradient: 1 },
  });
  expectArgument(
    typeof optimizer?.update === "function",
    "withWeightDecay: the optimizer",
    optimizer,
    "an update rule such as adam()",
  );
  checkDecayRate("withWeightDecay: rate", rate);
  return {
    ...optimizer,
    name: `${optimizer.name} with weight decay`,
    update: (input) => {
      const { parameter, gradient, learningRate, arena } = input;
      const rates = ratesOf(arena, rate, decays);
      if (through === "gradient") return optimizer.update({ ...input, gradient: add(gradient, mul(parameter, rates)) });
      return optimizer.update({ ...input, parameter: mul(parameter, sub(1, mul(learningRate, rates))) });
    },
  };
}

/** Throws unless a rate is a number of 0 or more. */
export function checkDecayRate(what: string, rate: Rate): void {
  const number = numberOf(rate);
  if (!(typeof number === "number" && number >= 0 && number < Number.POSITIVE_INFINITY))
    throw new UserError(`${what} is ${inWords(number)}; expected a number of 0 or more`);
}

/** One number if all parameters decay, otherwise one for each element. */
function ratesOf(arena: Arena, given: Rate, decays: DecayGroup | undefined): Tensor<"f32"> | number {
  const rate = rateValue(given);
  if (decays === undefined || arena.entries.every(({ path, shape }) => decays(path, shape))) return rate;
  const isDecaying = ({ path, shape }: ArenaEntry) => decays(path, shape);
  if (typeof rate === "number") return perParameter(arena, (entry) => (isDecaying(entry) ? rate : 0));
  return mul(
    rate,
    perParameter(arena, (entry) => (isDecaying(entry) ? 1 : 0)),
  );
}
