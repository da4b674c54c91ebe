/**
 * @file Sequences of different lengths, each with a label: the training data of a classifier. As JSON lines:
 *
 *   {"x": [[0.1, 2], [0.3, 1]], "label": "walk"}     one row of numbers per time step
 *   {"x": [0.1, 0.3], "label": "walk"}               one number per time step
 *   {"x": "some text", "label": 3}                   one character per time step
 *
 * In a batch they are padded at their end, and the target of a sequence is at its last step: padding does not count.
 */
import { at, expectArgument, UserError } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { outOfRange, type Range, strangerIn } from "../index-checks.ts";
import { randomStream } from "../random.ts";
import { type Batch, type Batches, trainingLength } from "./batches.ts";
import { type Vocabulary, vocabularyOfCharacters } from "./text.ts";

/** Sequences with their labels. */
export interface LabelledSequences {
  /** Each is row-major [length, features], or [length] tokens of a text. */
  readonly sequences: readonly ArrayLike<number>[];
  /** Numbers per time step; absent when the sequences are texts. */
  readonly features?: number;
  /** The characters of the texts. */
  readonly vocabulary?: Vocabulary;
  /** The class of each sequence, as an index into `classes`. */
  readonly labels: readonly number[];
  /** Names of the classes. */
  readonly classes: readonly string[];
}

/** The target of all steps without a class. */
export const noClass = -1;

interface Labelled {
  readonly x: string | readonly (readonly number[])[];
  readonly label: string;
}

/** Reads JSON lines and skips blank ones. A UserError names the first invalid line, counted from 1. */
export function parseLabelled(lines: Iterable<string>, name: string): LabelledSequences {
  const all: Labelled[] = [];
  let number = 0;
  for (const line of lines) {
    number += 1;
    expectArgument(typeof line === "string", `${name}, line ${number}`, line, "the JSON of a sequence, as text");
    if (line.trim() === "") continue;
    const labelled = parseLine(line, `${name}, line ${number}`);
    const [first] = all;
    if (first !== undefined && widthOf(first) !== widthOf(labelled))
      throw new UserError(
        `${name}, line ${number}: x has ${widthInWords(labelled)}; the lines before have ${widthInWords(first)}`,
      );
    all.push(labelled);
  }
  const classes = [...new Set(all.map(({ label }) => label))].sort();
  if (classes.length < 2)
    throw new UserError(
      `${name} has ${all.length} sequences of ${classes.length} classes; a classifier needs at least two`,
    );
  const labels = all.map(({ label }) => classes.indexOf(label));
  const features = widthOf(at(all, 0));
  if (features !== undefined)
    return { sequences: all.map(({ x }) => Float64Array.from([...x].flat().map(Number))), features, labels, classes };
  const texts = all.map(({ x }) => String(x));
  const vocabulary = vocabularyOfCharacters(new Set(texts.flatMap((text) => [...text])));
  return { sequences: texts.map(vocabulary.encode), vocabulary, labels, classes };
}

/** Numbers per time step; undefined for a text. */
const widthOf = ({ x }: Labelled): number | undefined => (typeof x === "string" ? undefined : x[0]?.length);
const widthInWords = (labelled: Labelled) => {
  const width = widthOf(labelled);
  return width === undefined ? "a text" : `${width} numbers a step`;
};

function parseLine(line: string, place: string): Labelled {
  const { x, label } = parsed(line, place);
  if (typeof label !== "string" && !Number.isFinite(label))
    throw new UserError(`${place}: label is ${shown(label)}; expected a text or a number`);
  if (typeof x === "string" && x !== "") return { x, label: String(label) };
  const rows = Array.isArray(x) ? x.map((row: unknown) => (Array.isArray(row) ? row : [row])) : [];
  const width = rows[0]?.length ?? 0;
  const isTable = width > 0 && rows.every((row) => row.length === width && row.every(isNumber));
  if (isTable) return { x: rows as number[][], label: String(label) };
  throw new UserError(`${place}: x is ${shown(x)}; expected a text, numbers, or rows of equal length`);
}

function parsed(line: string, place: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new UserError(`${place} is not JSON`, { cause });
  }
  if (typeof value === "object" && value !== null) return { ...value };
  throw new UserError(`${place}: expected {"x": …, "label": …}`);
}

const isNumber = (value: unknown): boolean => typeof value === "number" && Math.abs(value) < 3.4e38;
const shown = (value: unknown): string => (JSON.stringify(value) ?? "missing").slice(0, 40);

/** Options of `labelledBatches`. */
export interface LabelledBatchSizes {
  /** Sequences side by side. */
  readonly batch: number;
  /** Fraction of the sequences that is held out for validation; 0.1 by default. */
  readonly heldOut?: number;
  /** Seed of the order, a whole number below 2^32; 0 by default. */
  readonly seed?: number;
}

/**
 * Batches of sequences in random order, shuffled again for each pass: x is f32 [T, B, features] or i32 [T, B] tokens,
 * padded with 0 to the longest of the batch; targets are i32 [T, B], the class at the last step of each sequence and
 * `noClass` elsewhere. Every batch is fresh. Throws a UserError for labels and tokens out of range, and for empty
 * sequences.
 */
export function labelledBatches(data: LabelledSequences, sizes: LabelledBatchSizes): Batches {
  const kinds = { batch: "number", heldOut: "number", seed: "number" } as const;
  const { batch, heldOut = 0.1, seed = 0 } = checkedOptions("labelledBatches", sizes, kinds);
  expectArgument(
    Array.isArray(data?.sequences),
    "labelledBatches: the data",
    data,
    "the result of parseLabelled: { sequences, labels, classes }",
  );
  const count = data.sequences.length;
  checkLabelled(data);
  const trained = trainingLength(count, { batch, time: 1, heldOut });
  if (trained < batch)
    throw new UserError(`${trained} sequences to train on are too few for a batch of ${batch}; make batch smaller`);
  const order = shuffled(
    Array.from({ length: count }, (_, i) => i),
    seed,
    "split",
  );
  const [training, validation] = [order.slice(0, trained), order.slice(trained)];
  const stepsPerEpoch = Math.floor(trained / batch);
  let pass = 0;
  return {
    training: {
      *[Symbol.iterator]() {
        const chosen = shuffled(training, seed, `pass ${pass++}`);
        for (let i = 0; i < stepsPerEpoch; i++) yield paddedBatch(data, chosen.slice(i * batch, (i + 1) * batch));
      },
    },
    validation: Array.from({ length: Math.ceil(validation.length / batch) }, (_, i) =>
      paddedBatch(data, validation.slice(i * batch, (i + 1) * batch)),
    ),
    stepsPerEpoch,
  };
}

/** Throws for sequences and labels that do not fit into a batch; the message gives the number of the sequence. */
function checkLabelled({ sequences, labels, features, classes, vocabulary }: LabelledSequences): void {
  if (labels.length !== sequences.length)
    throw new UserError(`got ${labels.length} labels for ${sequences.length} sequences; expected one for each`);
  const known: Range = { what: "classes", to: classes.length - 1 };
  const wrong = strangerIn(labels, known);
  if (wrong !== undefined)
    throw new UserError(outOfRange("labels", Number(labels[wrong]), ` of sequence ${wrong} (counted from 0)`, known));
  const tokens: Range = { what: "tokens", to: (vocabulary?.characters.length ?? 2 ** 31) - 1 };
  for (const [i, numbers] of sequences.entries()) {
    const width = features ?? 1;
    if (numbers.length === 0 || numbers.length % width !== 0)
      throw new UserError(
        `sequence ${i} (counted from 0) has ${numbers.length} numbers; expected one or more steps of ${width}`,
      );
    const stranger = features === undefined ? strangerIn(numbers, tokens) : undefined;
    if (stranger !== undefined)
      throw new UserError(
        outOfRange(`sequence ${i}`, Number(numbers[stranger]), ` at step ${stranger} (counted from 0)`, tokens),
      );
  }
}

function paddedBatch({ sequences, features, labels }: LabelledSequences, chosen: readonly number[]): Batch {
  const width = features ?? 1;
  const rows = chosen.map((i) => ({ numbers: at(sequences, i), label: at(labels, i) }));
  const steps = Math.max(...rows.map(({ numbers }) => numbers.length / width));
  const x = new Float64Array(steps * rows.length * width);
  const targets = new Float64Array(steps * rows.length).fill(noClass);
  for (const [row, { numbers, label }] of rows.entries()) {
    const length = numbers.length / width;
    for (let t = 0; t < length; t++)
      for (let k = 0; k < width; k++) x[(t * rows.length + row) * width + k] = numbers[t * width + k] ?? Number.NaN;
    targets[(length - 1) * rows.length + row] = label;
  }
  const shape = [steps, rows.length];
  const read: NdArray =
    features === undefined ? { dtype: "i32", shape, data: x } : { dtype: "f32", shape: [...shape, width], data: x };
  return { x: read, targets: { dtype: "i32", shape, data: targets }, fresh: true };
}

/** The Fisher-Yates shuffle, as by Durstenfeld 1964. */
function shuffled(items: readonly number[], seed: number, name: string): number[] {
  const random = randomStream(seed, `labelled sequences/${name}`);
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random.uniform() * (i + 1));
    [order[i], order[j]] = [at(order, j), at(order, i)];
  }
  return order;
}
