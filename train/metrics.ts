/** @file Metrics: accuracy as a graph, and cross-entropy in other units. */

import { formatShape, sameShape } from "../compiler/graph/dim.ts";
import { at, UserError } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { cast, less, sub } from "../compiler/ops/elementwise.ts";
import { and, equal, or, where } from "../compiler/ops/logic.ts";
import { dimSize, iota } from "../compiler/ops/sources.ts";
import { broadcast, reshape, sum } from "../compiler/ops/views.ts";
import { expectTensors } from "../compiler/trace/expect.ts";
import { expectIndex } from "../compiler/trace/index-ranges.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import type { Loss } from "./loss-parts.ts";
import { checkMask, type LossOptions, masked, meanCost, ofLoss } from "./losses/masked.ts";
import type { Objective } from "./objective.ts";

type Float = Tensor<"f32">;

/**
 * The fraction of positions at which the target has the largest logit; in a tie the first class counts. Logits are
 * [..., classes], targets [...]. A position with a NaN as its target's logit is wrong.
 */
export function accuracy(logits: Float, targets: Tensor<"i32"> | Tensor<"u32">, options: LossOptions = {}): Float {
  const { mask } = checkedOptions("accuracy", options, ofLoss);
  expectTensors("accuracy", logits, targets);
  const { shape } = logits;
  if (shape.length === 0 || !sameShape(shape.slice(0, -1), targets.shape)) {
    throw new UserError(
      `accuracy: logits are ${formatShape(shape)} and targets ${formatShape(targets.shape)}; expected logits with the shape of the targets and one more axis, the classes`,
    );
  }
  checkMask("accuracy", mask, targets.shape);
  expectIndex({ index: targets, what: "classes", to: at(shape, shape.length - 1), below: 1, mask });
  const given = masked(logits, mask);
  const target = broadcast(reshape(cast(targets, "i32"), [...targets.shape, 1]), shape);
  const classes = iota(shape, shape.length - 1);
  const ofTarget = sum(where(equal(classes, target), given, 0), -1, { keepAxes: true });
  const isBeaten = or(less(given, ofTarget), and(equal(given, ofTarget), less(target, classes)));
  const others = sub(dimSize(at(shape, shape.length - 1)), 1);
  return meanCost(cast(equal(sum(cast(isBeaten, "f32"), -1), others), "f32"), mask);
}

/**
 * A function of an output and the targets to a scalar, such as `accuracy`. The output of a network is [T, B, …]; that of an
 * objective is the result of its `predict` (the first of several), and its batches contain `targets`. Batches are weighted
 * by the denominator of the mean, which is found in the graph, or returned by the metric as `{ mean, weight }`.
 */
export type Metric = (output: Float, targets: Tensor) => Loss;

/** The network or objective with a metric in place of its loss, for evaluation. */
export function measuredBy(objective: Objective, metric: Metric): Objective {
  const { prediction, batch: avals } = objective;
  if (prediction === undefined || avals.targets === undefined)
    throw new UserError(
      `evaluate: a metric needs an output and targets; this objective has no ${prediction === undefined ? "predict" : "targets in its batches"}`,
    );
  return {
    ...objective,
    measure: (parameters, { batch, state }) => {
      const result = prediction.run(parameters, { batch, state });
      const output = result.outputs[at(prediction.outputs, 0)];
      return { loss: metric(output as Float, batch.targets as Tensor), state: result.state };
    },
  };
}

/** e to the power of a cross-entropy in nats: the number of equally likely symbols with that entropy. */
export function perplexity(nats: number): number {
  return Math.exp(nats);
}

/** A cross-entropy of characters in bits instead of nats: nats / ln 2. */
export function bitsPerCharacter(nats: number): number {
  return nats / Math.LN2;
}
