/** @file Mutants of the losses. */
import { changed, type Mutant } from "./mutant.ts";

const onLosses = "test/train/losses.test.ts";
const onLossOptions = "test/train/loss-options.test.ts";

export const lossMutants: readonly Mutant[] = [
  ...changed(
    "train/losses/classification.ts",
    [onLosses, onLossOptions],
    [
      [
        "logits overflow",
        "const centered = sub(given, stopGradient(reduceMax(given, -1, { keepAxes: true })));",
        "const centered = given;",
      ],
      [
        "the cost of all but the target",
        "const cost = sub(logOfSum, ofTarget(centered));",
        "const cost = sub(logOfSum, sub(sum(centered, -1), ofTarget(centered)));",
      ],
      [
        "smoothing is over the other classes",
        "div(sum(centered, -1), dimSize(classes))",
        "div(sum(centered, -1), sub(dimSize(classes), 1))",
      ],
      [
        "smoothing and target change places",
        "add(mul(cost, 1 - smoothing), mul(costOfAll, smoothing))",
        "add(mul(cost, smoothing), mul(costOfAll, 1 - smoothing))",
      ],
      [
        "a weighted mean counts every position",
        "if (smoothing === 0) return sumOverWeights(ofOwn, weight);",
        "if (smoothing === 0) return meanCost(ofOwn, mask);",
      ],
      ["padding is costed", "const given = masked(logits, mask);", "const given = logits;"],
      [
        "binary: the other answer",
        "add(mul(t, softplus(neg(z))), mul(oneMinus(t), softplus(z)))",
        "add(mul(t, softplus(z)), mul(oneMinus(t), softplus(neg(z))))",
      ],
    ],
  ),
  ...changed(
    "train/losses/regression.ts",
    [onLosses, onLossOptions],
    [
      ["rows of weight 0 count where they are no numbers", "where(counts, off, 0)", "off"],
      [
        "weights of 0 have no derivative",
        "or(finite(off), not(equal(broadcast(weights, off.shape), 0)))",
        "not(equal(broadcast(weights, off.shape), 0))",
      ],
      [
        "squares are halved",
        'meanCost(square(errors("meanSquaredError", predictions, targets, mask)), mask)',
        'meanCost(mul(square(errors("meanSquaredError", predictions, targets, mask)), 0.5), mask)',
      ],
      ["absolute errors are squares", "meanCost(abs(errors(", "meanCost(square(errors("],
      ["Huber's loss jumps at delta", "sub(size, mul(capped, 0.5))", "sub(size, 0.5 * delta)"],
      [
        "weights of rows are not divided by",
        "div(sum(mul(squares, weights)), sum(weights))",
        "sum(mul(squares, weights))",
      ],
    ],
  ),
  ...changed(
    "train/losses/masked.ts",
    [onLosses, onLossOptions],
    [
      ["what does not count comes in", "mask === undefined ? x : whereTrue(mask, x)", "x"],
      [
        "without weights the loss is no number",
        "where(less(0, total), div(sum(costs), total), 0)",
        "div(sum(costs), total)",
      ],
    ],
  ),
  ...changed(
    "train/losses/log-sum-exp.ts",
    ["test/train/mixture-density.test.ts", "test/train/ctc.test.ts"],
    [
      [
        "powers overflow",
        "const largest = stopGradient(reduceMax(x, -1, { keepAxes: true }));",
        "const largest = stopGradient(sub(reduceMax(x, -1, { keepAxes: true }), reduceMax(x, -1, { keepAxes: true })));",
      ],
      ["two of three are added", "add(add(power(a), power(b)), power(c))", "add(power(a), power(b))"],
    ],
  ),
  ...changed(
    "train/losses/ctc.ts",
    ["test/train/ctc.test.ts"],
    [
      [
        "equal neighbours need no blank",
        "and(notEqual(states, blank), notEqual(states, shifted(states, 2, blank)))",
        "notEqual(states, blank)",
      ],
      ["frames past the end count", "where(reshape(exists, [batch, 1]), next, before)", "next"],
      [
        "paths end with the last label alone",
        "or(equal(place, end), equal(add(place, 1), end))",
        "equal(add(place, 1), end)",
      ],
      ["paths start anywhere", "where(equal(place, 0), 0, fill([batch, width], never))", "fill([batch, width], 0)"],
      [
        "rows without a path count",
        "maskedMean(neg(logSumExp(masked(ends, fits))), fits)",
        "maskedMean(neg(logSumExp(ends)), or(fits, equal(fits, fits)))",
      ],
      [
        "a repeated label takes one frame",
        'add(sum(cast(isLabel, "f32"), 1), sum(cast(and(isLabel, isRepeat), "f32"), 1))',
        'sum(cast(isLabel, "f32"), 1)',
      ],
    ],
  ),
  ...changed(
    "train/losses/mixture-density.ts",
    ["test/train/mixture-density.test.ts"],
    [
      [
        "weights of a mixture do not add up to 1",
        "logWeights: logSoftmax(weights), means",
        "logWeights: weights, means",
      ],
      [
        "a density without its width",
        "sub(mul(square(standardized), -0.5), add(logDeviation, Math.log(2 * Math.PI) / 2))",
        "sub(mul(square(standardized), -0.5), Math.log(2 * Math.PI) / 2)",
      ],
      ["x and y are independent", "mul(sub(v, mul(tanh(correlation), u)), exp(logCosh))", "mul(v, exp(logCosh))"],
      [
        "the correlation's width",
        "add(logNormal(vGivenU, logDeviations[1]), logCosh)",
        "logNormal(vGivenU, logDeviations[1])",
      ],
      ["the pen does not count", "meanCost(neg(add(ofOffset, ofPen)), mask)", "meanCost(neg(ofOffset), mask)"],
    ],
  ),
];
