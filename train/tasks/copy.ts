/**
 * @file Symbols to remember for a long time and then repeat in order.
 *
 * - `copy`: all at the start, then T blank steps. Hochreiter & Schmidhuber 1997 introduced such gaps; the rules are
 *   those of Arjovsky, Shah & Bengio 2016, arXiv:1511.06464, section 4.1, with T + 2 length steps:
 *
 *     x         length symbols   T - 1 blanks   the sign   length blanks
 *     targets   T + length blanks                          the symbols again
 *
 * - `selectiveCopy`: the symbols are at random steps among T, so the model must react to symbols instead of counting steps.
 *   Jing et al. 2019, arXiv:1706.02761, section 4.3 ("denoise"); Gu & Dao 2023, arXiv:2312.00752, section 4.1.1:
 *
 *     x         T steps, length of them symbols and the others blank   the sign   length blanks
 *     targets   T + 1 blanks                                                      the symbols again
 */
import { InternalError } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { type Vocabulary, vocabularyFrom } from "../data/text.ts";
import type { RandomStream } from "../random.ts";
import { below, checkSizes, drawnBatches, freshBatch } from "./drawn.ts";
import { mostLikely, sequencesOfScore } from "./scores.ts";
import { parameterValues, type Task } from "./task.ts";

const alphabet = "abcdefghijklmnopqrstuvwxyz";

const parameters = [
  { name: "length", about: "symbols to keep", initial: 10, least: 1, most: 1000, whole: true },
  { name: "symbols", about: "kinds of symbols", initial: 8, least: 2, most: alphabet.length, whole: true },
] as const;

/** The vocabulary; its last two tokens are the blank and the sign that starts the answer. */
const vocabularyOfSymbols = (symbols: number): Vocabulary => vocabularyFrom([...alphabet.slice(0, symbols), "_", "?"]);

/** The layout of a task's symbols. */
interface Layout {
  /** The shortest time for this number of symbols. */
  readonly shortest: (length: number) => number;
  /** Steps of a sequence. */
  readonly steps: (time: number, length: number) => number;
  /** Input and targets of sampled symbols, one token per step. */
  readonly sequence: (sample: Sample) => readonly [x: number[], targets: number[]];
}

interface Sample {
  readonly symbols: readonly number[];
  readonly time: number;
  /** Returns `count` blanks. */
  readonly blanks: (count: number) => number[];
  /** The token that starts the answer. */
  readonly sign: number;
  readonly random: RandomStream;
}

/** The copying task: Arjovsky, Shah & Bengio 2016, section 4.1. */
export const copy: Task = copyTask({
  name: "copy",
  about: "Keep ten symbols over a long gap, and say them again.",
  source: "Arjovsky, Shah & Bengio 2016, section 4.1",
  shortest: () => 1,
  steps: (time, length) => time + 2 * length,
  sequence: ({ symbols, time, blanks, sign }) => [
    [...symbols, ...blanks(time - 1), sign, ...blanks(symbols.length)],
    [...blanks(time + symbols.length), ...symbols],
  ],
});

/** The selective copying task: Jing et al. 2019, section 4.3; Gu & Dao 2023, section 4.1.1. */
export const selectiveCopy: Task = copyTask({
  name: "selective-copy",
  about: "Keep the symbols that stand among blanks, and say them again.",
  source: "Jing et al. 2019, section 4.3; Gu & Dao 2023, section 4.1.1",
  shortest: (length) => length,
  steps: (time, length) => time + 1 + length,
  sequence: ({ symbols, time, blanks, sign, random }) => {
    const places = blanks(time);
    // Each step is chosen with the probability that makes all sets of steps equally likely.
    const left = [...symbols];
    for (let place = 0; place < time; place++) {
      const isTaken = random.uniform() * (time - place) < left.length;
      if (isTaken) places.splice(place, 1, ...left.splice(0, 1));
    }
    return [
      [...places, sign, ...blanks(symbols.length)],
      [...blanks(time + 1), ...symbols],
    ];
  },
});

function copyTask(rules: Pick<Task, "name" | "about" | "source"> & Layout): Task {
  const { name, about, source } = rules;
  const described: Task = {
    ...{ name, about, source, parameters },
    kind: "text",
    batches: (seed, sizes) => {
      const { length, symbols } = parameterValues(name, parameters, sizes);
      const { batch, time } = sizes;
      checkSizes(name, batch, time, rules.shortest(length), "a step for each symbol or sign");
      const blanks = (count: number) => new Array<number>(count).fill(symbols);
      const draw = (random: RandomStream) =>
        rules.sequence({
          symbols: Array.from({ length }, () => below(random, symbols)),
          ...{ time, blanks, sign: symbols + 1, random },
        });
      return {
        ...drawnBatches(name, seed, (random) => {
          const rows = Array.from({ length: batch }, () => draw(random));
          return freshBatch(timeFirst(rows.map(([x]) => x)), timeFirst(rows.map(([, targets]) => targets)));
        }),
        vocabulary: vocabularyOfSymbols(symbols),
        // A model that knows the layout has to guess only the symbols.
        baseline: (length * Math.log(symbols)) / rules.steps(time, length),
        best: 0,
      };
    },
    score: async (seed, sizes, predict) => {
      const { length } = parameterValues(name, parameters, sizes);
      const [batch] = described.batches(seed, { ...sizes, batch: sequencesOfScore }).training;
      if (batch === undefined) throw new InternalError(`${name} has no batch`);
      const { x, targets } = batch;
      const predicted = mostLikely((await predict({ x })).output);
      const [steps = 0, rows = 0] = targets.shape;
      const wrong = Array.from({ length: rows }, (_, row) => {
        const places = Array.from({ length }, (_, i) => (steps - length + i) * rows + row);
        return places.filter((place) => predicted[place] !== targets.data[place]).length;
      });
      const symbols = wrong.reduce((a, b) => a + b, 0);
      return {
        "symbols that are wrong": symbols / (rows * length),
        "sequences with a wrong symbol": wrong.filter((count) => count > 0).length / rows,
      };
    },
  };
  return described;
}

/** Rows of tokens as i32 [T, B]. */
function timeFirst(rows: readonly (readonly number[])[]): NdArray {
  const steps = rows[0]?.length ?? 0;
  const data = Float64Array.from({ length: steps * rows.length }, (_, i) => {
    const token = rows[i % rows.length]?.[Math.floor(i / rows.length)];
    return token ?? Number.NaN;
  });
  return { dtype: "i32", shape: [steps, rows.length], data };
}
