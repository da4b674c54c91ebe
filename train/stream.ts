/**
 * @file A trained network outside training: one time step after another, with the state on the device in between, and
 * the two uses that are made of it, sampling text and forecasting a series.
 */
import { evaluateShape } from "../compiler/graph/dim.ts";
import { at, expectArgument, InternalError, UserError } from "../compiler/graph/errors.ts";
import { type Graph, inputName, type NodeId } from "../compiler/graph/graph.ts";
import { arrayFault, type NdArray, ndarray, zeros } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import type { Device, DeviceArray } from "../devices/device.ts";
import { packArrays } from "./arena.ts";
import { denormalise, type Normalisation, normalise } from "./data/normalisation.ts";
import type { Vocabulary } from "./data/text.ts";
import { checkIndices, indexChecks } from "./index-checks.ts";
import { checkSource, isRead, type ModelSource, outputNames, stepSource } from "./model-source.ts";
import type { Objective } from "./objective.ts";
import { type RandomStream, randomStream } from "./random.ts";

export type { ModelSource } from "./model-source.ts";

/** The state between two steps, by the names of the graph's inputs. */
export type StreamState = Readonly<Record<string, DeviceArray>>;

/** What comes of one time step. */
export interface StreamStep {
  /** Logits or values: [batch, …]. Of an objective with several outputs the first. */
  readonly output: NdArray;
  /** All that it gives, by name: `output` of a network. */
  readonly outputs: Readonly<Record<string, NdArray>>;
  /** The next state. */
  readonly state: StreamState;
  /** Of the nodes that are watched, in their order. */
  readonly watched: readonly NdArray[];
}

/** How a stream runs. */
export interface StreamOptions {
  /** Number of rows that go side by side; 1 by default. */
  readonly batch?: number;
  /** Nodes of the step's graph whose values come back too, such as gates. */
  readonly watch?: readonly NodeId[];
}

/** A trained network, one time step after another. */
export interface Stream {
  /** Number of rows that go side by side. */
  readonly batch: number;
  /**
   * One time step: x is [batch] tokens, which are refused where there are none such, or [batch, features] values; of an
   * objective that reads several things, arrays by name, each without its axis of time. The output is [batch, …]. Without a
   * state it goes on from the step before (zeros at first) and keeps the new state as its own; with one, that state is left
   * as it is and the next one belongs to the caller, who destroys it after use.
   */
  readonly step: (x: NdArray | Readonly<Record<string, NdArray>>, state?: StreamState) => Promise<StreamStep>;
  /** Other weights from the next step on; the state stays. */
  readonly setParameters: (parameters: Readonly<Record<string, NdArray>>) => void;
  /** Zeros; they belong to the caller. */
  readonly initialState: () => StreamState;
  /** The next step without a state starts at zeros again. */
  readonly reset: () => void;
  /** Gives its memory back, the state included. */
  readonly destroy: () => void;
}

/**
 * A stream of a trained network or objective, or of a model that was read from a file. An objective's loops over time are
 * opened: what they carry is the state. An output that is one for a sequence, such as the logits of its last step, comes
 * after each step for the sequence so far.
 *
 * @throws UserError (the promise rejects) where it cannot go step by step, such as with a loop that runs backwards: the
 *   message names the op and its line, and `createPredictor` takes whole sequences.
 */
export async function createStream(
  device: Device,
  source: Objective | ModelSource,
  parameters: Readonly<Record<string, NdArray>>,
  options: StreamOptions = {},
): Promise<Stream> {
  const { batch = 1, watch = [] } = checkedOptions("createStream", options, { batch: "number", watch: "list" });
  checkSource("createStream", source);
  if (!Number.isInteger(batch) || batch < 1) throw new UserError(`batch must be a whole number above 0, got ${batch}`);
  const whole = stepSource("createStream", source);
  const { graph: step, arena, tuned } = whole;
  const given = outputNames(whole);
  const graph: Graph = { ...step, outputs: [...step.outputs, ...watch] };
  const read = step.inputs.map((id) => inputName(step, id)).filter(isRead);
  const indices = indexChecks(step, read);
  const readback = graph.outputs.map((_, i) => i).slice(step.outputs.length - given.length);
  const executable = await device.compile(graph, { maxRows: batch, readback, tuning: tuned?.tuning });
  let weights = device.upload(packArrays(parameters, arena));
  const names = graph.inputs.map((id) => inputName(graph, id)).filter((name) => name.startsWith("state/"));
  const avals = new Map(graph.inputs.map((id) => [inputName(graph, id), at(graph.nodes, id).aval]));
  let own: StreamState | undefined;
  let isDestroyed = false;
  const initialState = (): StreamState =>
    Object.fromEntries(
      names.map((name) => {
        const { shape = [], dtype = "f32" } = avals.get(name) ?? {};
        return [name, device.upload(zeros(evaluateShape(shape, { B: batch }), dtype))];
      }),
    );
  const reset = () => {
    if (own !== undefined) destroyState(own);
    own = undefined;
  };
  return {
    batch,
    initialState,
    reset,
    step: async (x, state) => {
      if (isDestroyed) throw new UserError("x cannot go in: the stream was destroyed");
      const inputs = stepInputs(read, x);
      for (const name of read) {
        const rows = avals.get(name)?.shape.indexOf("B") ?? -1;
        const found = inputs[name]?.shape;
        if (rows >= 0 && found?.[rows] !== batch)
          throw new UserError(`${name} is [${found?.join(", ")}]; expected ${batch} rows`);
      }
      checkIndices(indices, inputs);
      const before = state ?? own ?? initialState();
      const outputs = executable.run({ parameters: weights, ...before, ...inputs });
      const after = Object.fromEntries(names.map((name, i) => [name, at(outputs, i)]));
      if (state === undefined) {
        destroyState(before);
        own = after;
      }
      const results = outputs.slice(names.length);
      const values = await Promise.all(results.map((result) => result.read()));
      for (const result of results) result.destroy();
      const named = Object.fromEntries(given.map((name, i) => [name, at(values, i)]));
      return { output: at(values, 0), outputs: named, state: after, watched: values.slice(given.length) };
    },
    setParameters: (next) => {
      const packed = packArrays(next, arena);
      weights.destroy();
      weights = device.upload(packed);
    },
    destroy: () => {
      isDestroyed = true;
      reset();
      weights.destroy();
      executable.destroy();
    },
  };
}

/** The arrays that a step reads, by name. From JavaScript anything may come. */
function stepInputs(
  names: readonly string[],
  given: NdArray | Readonly<Record<string, NdArray>>,
): Readonly<Record<string, NdArray>> {
  const isOne =
    typeof given !== "object" || given === null || Array.isArray(given) || "dtype" in given || "data" in given;
  const [only = "x", another] = names;
  if (isOne && another !== undefined)
    throw new UserError(`x is one array; expected arrays by name: ${names.join(", ")}`);
  const inputs = (isOne ? { [only]: given } : given) as Readonly<Record<string, NdArray>>;
  const stranger = Object.keys(inputs).find((name) => !names.includes(name));
  if (stranger !== undefined)
    throw new UserError(`there is an input ${stranger}, which nothing reads; expected ${names.join(", ")}`);
  for (const name of names) {
    const fault = Object.hasOwn(inputs, name) ? arrayFault(at([inputs[name]], 0)) : "is missing";
    if (fault !== undefined) throw new UserError(`${name} ${fault}`);
  }
  return inputs;
}

export function destroyState(state: StreamState): void {
  for (const array of Object.values(state)) array.destroy();
}

/** Feeds rows from zeros until the caller stops; each is asked for when the output of the one before has been used. */
async function* outputsOf(stream: Stream, next: (output: NdArray | undefined) => NdArray) {
  let state = stream.initialState();
  let output: NdArray | undefined;
  try {
    for (;;) {
      const result = await stream.step(next(output), state);
      destroyState(state);
      ({ output, state } = result);
      yield output;
    }
  } finally {
    destroyState(state);
  }
}

/** What is written, and how. */
export interface SampleOptions {
  /** The trained network. */
  readonly stream: Stream;
  /** Its characters. */
  readonly vocabulary: Vocabulary;
  /** What the text goes on from; a line break (or the first character, where there is none) if it is empty. */
  readonly prompt?: string;
  /** Number of characters. */
  readonly length: number;
  /** Logits are divided by it; 0 always takes the most likely character. 1 by default. */
  readonly temperature?: number;
  /** 0 by default. */
  readonly seed?: number;
}

/** Yields what each token adds to the text after the prompt, a character as a rule; the stream must have batch 1. */
export async function* sampleText(options: SampleOptions): AsyncGenerator<string> {
  const {
    stream,
    vocabulary,
    prompt = "",
    length,
    temperature = 1,
    seed = 0,
  } = checkedOptions("sampleText", options, {
    stream: "object",
    vocabulary: "object",
    prompt: "string",
    length: "number",
    temperature: "number",
    seed: "number",
  });
  expectArgument(
    typeof vocabulary?.encode === "function",
    "sampleText: the vocabulary",
    vocabulary,
    "one, such as vocabularyOf(text)",
  );
  if (!Number.isInteger(length) || length < 0)
    throw new UserError(`length must be a whole number, 0 or more, got ${length}`);
  if (!(temperature >= 0 && temperature < Number.POSITIVE_INFINITY))
    throw new UserError(`temperature is ${temperature}; expected a number, 0 or more`);
  const random = randomStream(seed, "sample");
  const tokens = prompt === "" ? [lineBreakOf(vocabulary)] : [...vocabulary.encode(prompt)];
  const end = tokens.length + length;
  // What the first tokens add depends on the prompt: a space before a word is none at the beginning of a text.
  const speak =
    vocabulary.speak?.(prompt === "" ? [] : [...tokens]) ?? ((token: number) => at(vocabulary.characters, token));
  let steps = 0;
  const next = () => ndarray([1], [at(tokens, steps++)], "i32");
  if (length === 0) return;
  for await (const logits of outputsOf(stream, next)) {
    if (steps < tokens.length) continue;
    const token = drawToken(logits.data, temperature, random);
    tokens.push(token);
    yield speak(token);
    if (tokens.length === end) return;
  }
}

/** The token of a line break, or 0. */
function lineBreakOf({ characters, encode, speak }: Vocabulary): number {
  const token = characters.indexOf("\n");
  // A tokenizer may write it with other characters, and a space before it.
  if (token >= 0 || speak === undefined) return Math.max(0, token);
  return encode("\n").at(-1) ?? 0;
}

/** One draw from softmax(logits / temperature). */
function drawToken(logits: Float64Array, temperature: number, random: RandomStream): number {
  if (!logits.every(Number.isFinite)) throw new UserError("the model's logits are not finite; its weights are damaged");
  const top = logits.reduce((a, b) => Math.max(a, b));
  if (temperature === 0) return logits.indexOf(top);
  const weights = logits.map((logit) => Math.exp((logit - top) / temperature));
  let left = random.uniform() * weights.reduce((a, b) => a + b, 0);
  for (const [token, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return token;
  }
  return logits.indexOf(top);
}

/** What is forecast, and from what. */
export interface ForecastOptions {
  /** The trained network. */
  readonly stream: Stream;
  /** The series so far: a row of features for each time step, in its own units. */
  readonly values: readonly (readonly number[])[];
  /** Number of rows to add. */
  readonly horizon: number;
  /** That of the training; without it the model reads and writes the values as they are. */
  readonly normalisation?: Normalisation;
}

/** The rows that follow: each prediction is fed back as the next value. The stream must have batch 1. */
export async function forecast(options: ForecastOptions): Promise<number[][]> {
  const { stream, values, horizon, normalisation } = checkedOptions("forecast", options, {
    stream: "object",
    values: "list",
    horizon: "number",
    normalisation: "object",
  });
  if (!Number.isInteger(horizon) || horizon < 1)
    throw new UserError(`horizon must be a whole number above 0, got ${horizon}`);
  if (values.length === 0) throw new UserError("forecast: there are no values to go on from");
  const flat = values.find((row) => typeof row !== "object");
  expectArgument(flat === undefined, "forecast: a row of the values", flat, "a list of numbers, one for each feature");
  const toModel = (row: readonly number[]) => (normalisation === undefined ? row : normalise(row, normalisation));
  const predictions: number[][] = [];
  let steps = 0;
  const outputs = outputsOf(stream, (output) => {
    const row = steps < values.length ? toModel(at(values, steps)) : output?.data;
    if (row === undefined) throw new InternalError("a forecast step has neither a value nor a prediction");
    steps += 1;
    return ndarray([1, row.length], row);
  });
  for await (const { data } of outputs) {
    if (steps < values.length) continue;
    predictions.push([...(normalisation === undefined ? data : denormalise(data, normalisation))]);
    if (predictions.length === horizon) break;
  }
  return predictions;
}
