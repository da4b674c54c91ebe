/** @file Class names and probabilities from the logits of a classifier. */
import { at, expectArgument, UserError } from "../compiler/graph/errors.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";

/** The prediction of a classifier for one sequence. */
export interface ClassGuess {
  /** Name of the most likely class; the first one when several are equally likely. */
  readonly name: string;
  /** Its probability, from 0 to 1. */
  readonly probability: number;
  /** The probability of each class, by name: softmax of the logits. */
  readonly probabilities: Readonly<Record<string, number>>;
}

/** Options of `classGuesses`. */
export interface ClassOptions {
  /** Names of the classes, in the order of the logits: `classes` of the data, or of the model. */
  readonly classes: readonly string[];
  /** Number of steps of each sequence in a padded batch; by default all end with the last step. */
  readonly lengths?: readonly number[];
}

/**
 * Returns the class of each row of a batch. `logits` are [T, B, classes], as a predictor returns them, and are read at the
 * last step of each sequence; or [B, classes], as a stream returns them.
 *
 * @throws UserError if the logits do not have one column for each class, or a length is not between 1 and T.
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
  if (ends.length !== rows) throw new UserError(`classGuesses: got ${ends.length} lengths for ${rows} rows`);
  return ends.map((length, row) => {
    if (!(Number.isInteger(length) && length >= 1 && length <= steps))
      throw new UserError(`classGuesses: length ${length} of row ${row}; expected a whole number from 1 to ${steps}`);
    const start = ((length - 1) * rows + row) * classes.length;
    return guessOf(data.subarray(start, start + classes.length), classes);
  });
}

function guessOf(logits: Float64Array, classes: readonly string[]): ClassGuess {
  const top = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (!logits.every(Number.isFinite)) throw new UserError("classGuesses: a logit is not finite; check the weights");
  const weights = logits.map((logit) => Math.exp(logit - top));
  const total = weights.reduce((a, b) => a + b, 0);
  const probabilities = Object.fromEntries(classes.map((name, i) => [name, at([...weights], i) / total]));
  const best = logits.indexOf(top);
  return { name: at(classes, best), probability: 1 / total, probabilities };
}
