/**
 * @file An encoder-decoder with additive attention that learns to write words backwards. The architecture is written here,
 * in equations; the library provides cells, loops and training.
 *
 *   npm run build && npx jiti examples/encoder-decoder.ts
 *
 * A bidirectional GRU reads the source. The decoder, another GRU, attends to all of its outputs h_1 … h_S before it writes
 * each letter (Bahdanau, Cho & Bengio 2014, "Neural machine translation by jointly learning to align and translate",
 * arXiv:1409.0473, section 3.1 and appendix A.1.2):
 *
 *   e_tj    = v . tanh(W s_{t-1} + U h_j)             how well step t of the target matches step j of the source
 *   alpha_t = softmax over j of e_tj                  padding of the source is masked
 *   c_t     = sum over j of alpha_tj h_j              context, read along with the previous letter
 *   s_t     = GRU([y_{t-1}, c_t], s_{t-1})
 *
 * In training, the previous letter is the correct one or, at random, the decoder's own (scheduled sampling: Bengio et al.
 * 2015, arXiv:1506.03099); afterwards it is always its own. Words have different lengths and are padded in a batch.
 */
import { fileURLToPath } from "node:url";
import {
  add,
  concat,
  createTrainer,
  type Device,
  type Dim,
  dense,
  embedding,
  fill,
  glorot,
  gru,
  matmul,
  model,
  mul,
  type NdArray,
  ndarray,
  type Objective,
  objective,
  openDevice,
  parameter,
  reshape,
  scope,
  softmax,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  transpose,
  where,
} from "cellgrad";
import {
  argmax,
  bidirectional,
  type Feeding,
  fork,
  lengthsMask,
  recurrence,
  scheduledSample,
  stepNumbers,
} from "cellgrad/layers";
import { crossEntropy } from "cellgrad/losses";

type Float = Tensor<"f32">;
type Int = Tensor<"i32">;

export interface ReversalSizes {
  /** Letters are 1 … letters; 0 is the start symbol. */
  readonly letters: number;
  readonly units: number;
  readonly embed: number;
}

/** The model for training, and a function for using it. */
export interface Reversal {
  readonly objective: Objective;
  /** Writes words backwards with learned parameters. */
  readonly write: (
    device: Device,
    parameters: Readonly<Record<string, NdArray>>,
    words: readonly (readonly number[])[],
  ) => Promise<number[][]>;
}

/** An encoder-decoder for an alphabet of `letters`; `own` is how often the decoder reads its own letter in training. */
export function reversal(sizes: ReversalSizes, own = 0.1): Reversal {
  const words = { dtype: "i32", shape: ["S", "B"] } as const;
  const lengths = { dtype: "i32", shape: ["B"] } as const;
  return {
    objective: objective(
      "reversal",
      { source: words, target: words, lengths },
      ({ source, target, lengths }, random) => {
        const feeding = { rate: own, random: fork(random, "feeding") };
        const { logits } = encodeAndDecode(sizes, source, target, lengths, feeding);
        return crossEntropy(logits, target, { mask: lengthsMask(lengths, target.shape[0] ?? 1) });
      },
    ),
    write: async (device, parameters, given) => {
      const batch = padded(given);
      const paths = Object.keys(parameters);
      const writing = model("write", (source: Int, ends: Int) => {
        const nothing = fill(source.shape, 0, "i32");
        return encodeAndDecode(sizes, source, nothing, ends, { rate: 1 }).letters;
      });
      const inputs = [
        { name: "source", ...words },
        { name: "lengths", ...lengths },
        ...paths.map((path) => ({ name: path, dtype: "f32" as const, shape: parameters[path]?.shape ?? [] })),
      ];
      const graph = traceGraph("write", inputs, ([source, ends, ...weights]) => {
        const byPath = Object.fromEntries(paths.map((path, i) => [path, weights[i] as Float]));
        return [writing.apply(byPath, source as Int, ends as Int)];
      });
      const executable = await device.compile(graph);
      const [written] = executable.run({ ...parameters, source: batch.source, lengths: batch.lengths });
      const letters = [...((await written?.read())?.data ?? [])];
      executable.destroy();
      return given.map((word, row) => word.map((_, t) => letters[t * given.length + row] ?? 0));
    },
  };
}

/** Logits [S, B, letters + 1] of the target's letters, and the letters [S, B] that the decoder reads. */
function encodeAndDecode(
  { letters, units, embed }: ReversalSizes,
  source: Int,
  target: Int,
  lengths: Int,
  feeding: Omit<Feeding, "step">,
) {
  const [length, batch] = source.shape as readonly [Dim, Dim];
  const lookUp = (letter: Int) => embedding("letters", letter, letters + 1, embed);
  const mask = lengthsMask(lengths, length);

  const encoder = bidirectional(gru(units), gru(units));
  const given = lookUp(source);
  const read = scope("encoder", () => encoder.run(given, { mask }));
  const h = transpose(read.outputs, [1, 0, 2]);
  const keys = matmul(h, parameter("keys", [2 * units, units], glorot));
  const v = parameter("score", [units], glorot);

  /** The context [B, 2 units] of a step, from the previous state [B, units]. */
  const attend = (s: Float): Float => {
    const query = reshape(dense("query", s, units), [batch, 1, units]);
    const scores = sum(mul(tanh(add(query, keys)), v), -1);
    const alpha = softmax(where(transpose(mask), scores, -1e9));
    return sum(mul(reshape(alpha, [batch, length, 1]), h), 1);
  };

  const decoder = gru(units);
  const start = tanh(dense("start", read.state["backward/h"] as Float, units));
  const { outputs } = recurrence(
    ({ s, letter }, { right, step }) => {
      const { state, output } = decoder.step(concat([lookUp(letter), attend(s)]), { h: s });
      const logits = dense("head", output, letters + 1);
      const own = argmax(logits);
      const next = scheduledSample(right, own, { ...feeding, step });
      return { state: { s: state.h, letter: next }, output: { logits, letters: own } };
    },
    { s: start, letter: fill([batch], 0, "i32") },
    { right: target, step: stepNumbers(length, batch) },
    { name: "decoder" },
  );
  return outputs;
}

/** Words as a batch: [S, B], padded with 0, with the lengths [B]. */
export function padded(words: readonly (readonly number[])[]) {
  const longest = Math.max(...words.map((word) => word.length));
  const letters = Array.from({ length: longest }, (_, t) => words.map((word) => word[t] ?? 0));
  return {
    source: ndarray([longest, words.length], letters.flat(), "i32"),
    lengths: ndarray(
      [words.length],
      words.map((word) => word.length),
      "i32",
    ),
  };
}

/** A batch of words and the same words backwards; `random` returns numbers in [0, 1). */
export function drawWords(random: () => number, sizes: ReversalSizes, rows: number, longest: number) {
  const words = Array.from({ length: rows }, () => {
    const length = 1 + Math.floor(random() * longest);
    return Array.from({ length }, () => 1 + Math.floor(random() * sizes.letters));
  });
  const { source, lengths } = padded(words);
  return { words, inputs: { source, lengths, target: padded(words.map((word) => word.toReversed())).source } };
}

async function main(): Promise<void> {
  const sizes = { letters: 8, units: 32, embed: 12 };
  const { objective: learned, write } = reversal(sizes);
  const device = await openDevice();
  const trainer = await createTrainer(device, learned, { learningRate: 0.01, clipNorm: 1, seed: 1 });
  for (let step = 1; step <= 400; step++) {
    const { loss } = await trainer.step({ inputs: drawWords(Math.random, sizes, 16, 7).inputs });
    if (step % 50 === 0) console.log(`step ${step}: loss ${loss.toFixed(3)}`);
  }
  const { words } = drawWords(Math.random, sizes, 5, 7);
  const written = await write(device, await trainer.parameters(), words);
  for (const [i, word] of words.entries()) console.log(`${word.join("")} -> ${written[i]?.join("")}`);
  trainer.destroy();
  device.destroy();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
