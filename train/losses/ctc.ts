/**
 * @file Connectionist temporal classification: a sequence of labels for a longer sequence of frames, without an alignment of
 * frames and labels. Graves, Fernández, Gomez & Schmidhuber 2006, "Connectionist temporal classification: labelling
 * unsegmented sequence data with recurrent neural networks".
 *
 * A path has a class or the blank for each frame; it spells the labels once repeats are merged and blanks are dropped. The
 * probability of the labels is the sum over all paths that spell them, by the forward recursion over the labels with a
 * blank around each (eq. 5-8), in logarithms. The recursion is an ordinary scan with automatic gradients, so the paper's
 * backward variables (eq. 9-16) are not needed.
 */
import { type Dim, formatShape, type Shape, sameShape } from "../../compiler/graph/dim.ts";
import { at, UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { lessEqual, logSoftmax, notEqual, oneHot } from "../../compiler/ops/composed.ts";
import { dot } from "../../compiler/ops/contractions.ts";
import { add, cast, mul, neg } from "../../compiler/ops/elementwise.ts";
import { and, equal, or, where } from "../../compiler/ops/logic.ts";
import { concat, slice } from "../../compiler/ops/pieces.ts";
import { scanTensors } from "../../compiler/ops/scan.ts";
import { iota } from "../../compiler/ops/sources.ts";
import { fill, reshape, sum, transpose } from "../../compiler/ops/views.ts";
import { expectIndex } from "../../compiler/trace/index-ranges.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { maskedMean } from "../layers/lengths.ts";
import { logAddExp3, logSumExp } from "./log-sum-exp.ts";
import { masked } from "./masked.ts";

type Float = Tensor<"f32">;
type Int = Tensor<"i32">;
type Bool = Tensor<"bool">;

/** Options of `ctc`. */
export interface CtcOptions {
  /** [T, B], true for the frames of each row, which come first; all frames by default. */
  readonly mask?: Bool | undefined;
  /** [B, labels], true for the labels of each row, which come first; all labels by default. */
  readonly labelMask?: Bool | undefined;
  /** The class of the blank; 0 by default. It cannot be a label. */
  readonly blank?: number;
}

/** Stands for the logarithm of 0: far below every other, but finite in f32. */
const never = -1e30;

/**
 * The mean over rows of -log p(labels | frames), in nats: logits are [T, B, classes], labels i32 [B, labels] with a known
 * number of labels (padded; the values in the padding do not matter). A row whose labels do not fit its frames has no path,
 * since each label needs a frame and equal neighbours one between them: it does not count, and its gradient is 0.
 */
export function ctc(logits: Float, labels: Int, options: CtcOptions = {}): Float {
  const { time, batch, classes, count, blank } = checked(logits, labels, options);
  const frames = options.mask ?? cast(fill([time, batch], 1), "bool");
  const isLabel = options.labelMask ?? cast(fill([batch, count], 1), "bool");

  expectIndex({ index: labels, what: "labels", to: classes - 1, mask: options.labelMask, except: blank });
  const states = withBlanks(labels, batch, count, blank);
  const width = 2 * count + 1;
  const isNewLabel = and(notEqual(states, blank), notEqual(states, shifted(states, 2, blank)));
  const emissions = logProbabilities(masked(logits, options.mask), oneHot(states, classes));
  const place = iota([batch, width], 1, "f32");

  const { carries } = scanTensors(
    (carriesIn, xs) => {
      const before = at(carriesIn, 0) as Float;
      const [emission, exists] = [at(xs, 0) as Float, at(xs, 1) as Bool];
      const skipped = where(isNewLabel, shifted(before, 2, never), never);
      const next = add(logAddExp3(before, shifted(before, 1, never), skipped), emission);
      return { carries: [where(reshape(exists, [batch, 1]), next, before)], ys: [] };
    },
    [where(equal(place, 0), 0, fill([batch, width], never))],
    [emissions, frames],
    { name: "ctc" },
  );

  // A path ends with the last label or with the blank after it.
  const end = mul(sum(cast(isLabel, "f32"), 1, { keepAxes: true }), 2);
  const isEnd = or(equal(place, end), equal(add(place, 1), end));
  const fits = lessEqual(framesNeeded(labels, isLabel), sum(cast(frames, "f32"), 0));
  const ends = where(isEnd, carries[0] as Float, never);
  return maskedMean(neg(logSumExp(masked(ends, fits))), fits);
}

/** blank, label, blank, …, label, blank: [B, 2 labels + 1]. */
function withBlanks(labels: Int, batch: Dim, count: number, blank: number): Int {
  const pairs = concat([fill([batch, count, 1], blank, "i32"), reshape(labels, [batch, count, 1])], 2);
  return concat([reshape(pairs, [batch, 2 * count]), fill([batch, 1], blank, "i32")], 1);
}

/** Log probability of each state's class per frame, [T, B, states], of logits [T, B, classes] and one-hot states [B, states, classes]. */
function logProbabilities(logits: Float, states: Float): Float {
  const byRow = transpose(logSoftmax(logits), [1, 0, 2]);
  return transpose(dot(byRow, states, { transposeB: true }), [1, 0, 2]);
}

/** x [B, states] shifted right by `by` along the last axis, filled with `filler`. */
function shifted<D extends "f32" | "i32">(x: Tensor<D>, by: number, filler: number): Tensor<D> {
  const [batch, width] = x.shape as readonly [Dim, number];
  return concat([fill([batch, by], filler, x.dtype), slice(x, 1, 0, width - by)], 1);
}

/** Number of frames of the shortest path, [B]: one for each label, and one between equal neighbours. */
function framesNeeded(labels: Int, isLabel: Bool): Float {
  const [batch, count] = labels.shape as readonly [Dim, number];
  const isRepeat = concat(
    [cast(fill([batch, 1], 0), "bool"), equal(slice(labels, 1, 0, count - 1), slice(labels, 1, 1, count - 1))],
    1,
  );
  return add(sum(cast(isLabel, "f32"), 1), sum(cast(and(isLabel, isRepeat), "f32"), 1));
}

function checked(logits: Float, labels: Int, options: CtcOptions) {
  const kinds = { mask: "tensor", labelMask: "tensor", blank: "number" } as const;
  const { mask, labelMask, blank = 0 } = checkedOptions("ctc", options, kinds);
  const [time, batch, classes] = logits.shape;
  const count = labels.shape[1];
  const fits = logits.shape.length === 3 && labels.shape.length === 2 && labels.shape[0] === batch;
  if (!fits || typeof classes !== "number" || typeof count !== "number" || count < 1) {
    throw new UserError(
      `ctc: logits are ${formatShape(logits.shape)} and labels ${formatShape(labels.shape)}; expected [time, batch, classes] and [batch, labels], with known numbers of classes and labels`,
    );
  }
  if (!Number.isInteger(blank) || blank < 0 || blank >= classes)
    throw new UserError(`ctc: the blank is ${blank}; expected a class, from 0 to ${classes - 1}`);
  const sizes = { time: time as Dim, batch: batch as Dim, classes, count, blank };
  const expectMask = (name: string, given: Bool | undefined, shape: Shape) => {
    if (given === undefined || sameShape(given.shape, shape)) return;
    throw new UserError(`ctc: ${name} is ${formatShape(given.shape)}; expected ${formatShape(shape)}`);
  };
  expectMask("mask", mask, [sizes.time, sizes.batch]);
  expectMask("labelMask", labelMask, [sizes.batch, count]);
  return sizes;
}
