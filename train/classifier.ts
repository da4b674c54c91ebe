/** @file A network that classifies sequences: many to one, read at the last step of each sequence. */
import { embedding } from "../compiler/dsl/dense.ts";
import { UserError } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { less, max } from "../compiler/ops/elementwise.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import { crossEntropy } from "./losses/classification.ts";
import { accuracy, type Metric } from "./metrics.ts";
import { checkCount, type LayersOptions, type Network, network, ofNetwork, stackOf } from "./networks.ts";

/** Options of `classifierModel`. */
export interface ClassifierOptions<Names extends string = string> extends LayersOptions<Names> {
  /** Number of classes. */
  readonly classes: number;
  /** Numbers per time step, or the vocabulary size of a text and the width of its embedding. */
  readonly reads: { readonly features: number } | { readonly vocabulary: number; readonly embed: number };
}

/**
 * A classifier of sequences: x is f32 [T, B, features] or i32 [T, B], the output f32 [T, B, classes] logits after each
 * step. Targets are i32 [T, B]: the class at the last step of a sequence, and a negative number at all other steps.
 */
export function classifierModel<Names extends string>(options: ClassifierOptions<Names>): Network {
  const kinds = { ...ofNetwork, classes: "number", reads: "object" } as const;
  const { classes, reads } = checkedOptions<ClassifierOptions>("classifierModel", options, kinds);
  checkedOptions<{ features: number; vocabulary: number; embed: number }>("classifierModel: reads", reads as never, {
    features: "number",
    vocabulary: "number",
    embed: "number",
  });
  for (const [name, value] of Object.entries(reads)) checkCount(name, value);
  if (!Number.isInteger(classes) || classes < 2)
    throw new UserError(`classes must be a whole number above 1, got ${classes}`);
  return network({
    ...stackOf(options),
    kind: "classifier",
    outputs: classes,
    ...("embed" in reads && { embed: reads.embed }),
    encode: (x) =>
      "features" in reads
        ? (x as Tensor<"f32">)
        : embedding("embedding", x as Tensor<"i32">, reads.vocabulary, reads.embed),
    x: "features" in reads ? { dtype: "f32", shape: [reads.features] } : { dtype: "i32", shape: [] },
    targets: { dtype: "i32", shape: [] },
    loss: (output, targets) => {
      const { classes, mask } = asked(targets as Tensor<"i32">);
      return crossEntropy(output, classes, { mask });
    },
  });
}

/** The fraction of sequences that are classified correctly, as a metric of `trainer.evaluate`. */
export const classified: Metric = (output, targets) => {
  const { classes, mask } = asked(targets as Tensor<"i32">);
  return accuracy(output, classes, { mask });
};

/** The target classes, and the mask of the steps that have one. */
function asked(targets: Tensor<"i32">): { readonly classes: Tensor<"i32">; readonly mask: Tensor<"bool"> } {
  return { classes: max(targets, 0), mask: less(-1, targets) };
}
