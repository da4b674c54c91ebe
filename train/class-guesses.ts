/** @file What logits say, in words: the class of each sequence, and how likely each class is. */
import { at, expectArgument, UserError } from "../compiler/graph/errors.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";

/** What a classifier says of a sequence. */
export interface ClassGuess {
  /** Name of the most likely class; of equally likely ones the first. */
  readonly name: string;
  /** How likely it is, from 0 to 1. */
  readonly probability: number;
  /** How likely each class is, by name: softmax of the logits. */
  readonly probabilities: Readonly<Record<string, number>>;
}

/** How logits are read. */
export interface ClassOptions {
  /** Names of the classes, in the order of the logits: `classes` of the data, or of the model. */
  readonly classes: readonly string[];
  /** Steps of each sequence, where a batch is padded; by default all end with the last step. */
  readonly lengths?: readonly number[];
}

/**
 * The class of each row of a batch. `logits` are [T, B, classes], as predictions of a classifier are, and are read where
 * each sequence ends; or [B, classes], as a stream gives them.
 *
 * @throws UserError where logits and names do not fit, or a length is not one of 1 to T.
 */
export function classGuesses(logits: NdArray, options: ClassOptions): ClassGuess[] {
  const { classes, lengths } = checkedOptions("classGuesses", options, { classes: "list", lengths: "list" });
  expectArgument(Array.isArray(logits?.shape), "classGuesses: the logits", logits, "the output of a classifier");
  const { shape, data } = logits;
  const [steps, rows] = shape.length === 3 ? [at(shape, 0), at(shape, 1)] : [1, shape[0] ?? 0];
  if (shape.length < 2 || shape.length > 3 || shape[shape.length - 1] !== classes?.length)
    throw new UserError(
      `classGuesses: logits are [${shape.join(", ")}] for ${classes?.length ?? 0} classes; expected [T, B, classes] or [B, classes]`,
    );
  const ends = lengths ?? new Array<number>(rows).fill(steps);
  if (ends.length !== rows) throw new UserError(`classGuesses: there are ${ends.length} lengths for ${rows} rows`);
  return ends.map((length, row) => {
    if (!(Number.isInteger(length) && length >= 1 && length <= steps))
      throw new UserError(`classGuesses: length ${length} of row ${row}; expected a whole number from 1 to ${steps}`);
    const start = ((length - 1) * rows + row) * classes.length;
    return guessOf(data.subarray(start, start + classes.length), classes);
  });
}

function guessOf(logits: Float64Array, classes: readonly string[]): ClassGuess {
  const top = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (!logits.every(Number.isFinite))
    throw new UserError("classGuesses: a logit is not finite; the weights are damaged");
  const weights = logits.map((logit) => Math.exp(logit - top));
  const total = weights.reduce((a, b) => a + b, 0);
  const probabilities = Object.fromEntries(classes.map((name, i) => [name, at([...weights], i) / total]));
  const best = logits.indexOf(top);
  return { name: at(classes, best), probability: 1 / total, probabilities };
}
