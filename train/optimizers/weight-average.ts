/**
 * @file An exponential moving average of the weights, for use instead of the last ones: Polyak & Juditsky 1992 with
 * exponential decay. It is another slot of the optimizer, so it is updated in the same step and stored in checkpoints.
 */

import { expectArgument, UserError } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { add, mul, sub } from "../../compiler/ops/elementwise.ts";
import { equal, where } from "../../compiler/ops/logic.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { arenaOf, unpackArray } from "../arena.ts";
import type { Objective } from "../objective.ts";
import type { Trainer } from "../trainer.ts";
import { checkDecay } from "./gradient-descent.ts";
import type { Optimizer } from "./optimizer.ts";

const slot = "average";

/**
 * The optimizer with an average a of the parameters p: a = p after the first update, then a + (1 - decay) (p - a) after
 * each, as PyTorch's `swa_utils.AveragedModel` with `get_ema_avg_fn(decay)`. Training itself does not change.
 */
export function withAverage(optimizer: Optimizer, options: { readonly decay?: number } = {}): Optimizer {
  const { decay = 0.999 } = checkedOptions("withAverage", options, { decay: "number" });
  expectArgument(
    typeof optimizer?.update === "function",
    "withAverage: the optimizer",
    optimizer,
    "an update rule such as adam()",
  );
  checkDecay("withAverage", "decay", decay);
  return {
    name: `${optimizer.name} with average`,
    slots: [...optimizer.slots, slot],
    update: (input) => {
      const { parameter, slots } = optimizer.update(input);
      const before = input.slots[slot] as Tensor<"f32">;
      const next = add(before, mul(sub(parameter, before), 1 - decay));
      return { parameter, slots: { ...slots, [slot]: where(equal(input.step, 1), parameter, next) } };
    },
  };
}

/** The averaged weights, by path, of a trainer with `withAverage`; its current weights before the first update. */
export async function averagedParameters(trainer: Trainer<Objective>): Promise<Record<string, NdArray>> {
  expectArgument(
    typeof trainer?.checkpoint === "function",
    "averagedParameters: the trainer",
    trainer,
    "the result of await createTrainer(…)",
  );
  const { parameters, [`slots/${slot}`]: average } = await trainer.checkpoint();
  if (average === undefined || parameters === undefined)
    throw new UserError("averagedParameters: the trainer has no average; create it with optimizer: withAverage(…)");
  const isStarted = average.data.some((x) => x !== 0);
  return unpackArray(isStarted ? average : parameters, arenaOf(trainer.network.specs));
}
