/**
 * @file Streaming inference: runs a trained network one time step at a time, with the state on the device in between; and
 * its two applications, sampling text and forecasting a series.
 */
import { evaluateShape } from "../compiler/graph/dim.ts";
import { at, expectArgument, InternalError, UserError } from "../compiler/graph/errors.ts";
import { type Graph, inputName, type NodeId } from "../compiler/graph/graph.ts";
import { arrayFault, type NdArray, ndarray, zeros } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import type { Device, DeviceArray } from "../devices/device.ts";
import { type AbortOptions, type AbortSignalLike, abortable, nextMacrotask, ofAbort } from "./abort.ts";
import { packArrays, partsOf, shapesOf } from "./arena.ts";
import { denormalise, type Normalisation, normalise } from "./data/normalisation.ts";
import type { Vocabulary } from "./data/text.ts";
import { checkIndices, indexChecks } from "./index-checks.ts";
import { checkSource, isRead, type ModelSource, outputNames, stepSource } from "./model-source.ts";
import type { Objective } from "./objective.ts";
import { type RandomStream, randomStream } from "./random.ts";

export type { ModelSource } from "./model-source.ts";

/** The state between two steps, by the names of the graph's inputs. */
export type StreamState = Readonly<Record<string, DeviceArray>>;

/** The result of one time step. */
export interface StreamStep {
  /** Logits or values: [batch, …]; for an objective with several outputs the first. */
  readonly output: NdArray;
  /** All outputs by name; `output` for a network. */
  readonly outputs: Readonly<Record<string, NdArray>>;
  /** The next state. */
  readonly state: StreamState;
  /** The values of the watched nodes, in order. */
  readonly watched: readonly NdArray[];
}

/** Options of `createStream`. */
export interface StreamOptions extends AbortOptions {
  /** Number of rows that run in parallel; 1 by default. */
  readonly batch?: number;
  /** Nodes of the step's graph whose values are returned as well, such as gates. */
  readonly watch?: readonly NodeId[];
}

/** Runs a trained network one time step at a time. */
export interface Stream {
  /** Number of rows that run in parallel. */
  readonly batch: number;
  /**
   * One time step: x is [batch] tokens, checked against the vocabulary, or [batch, features] values; for an objective with
   * several inputs, arrays by name, each without its time axis. The output is [batch, …]. Without a state it continues from
   * the previous step (zeros at first) and stores the new state; with one, that state is not changed and the next one belongs
   * to the caller, who destroys it after use.
   */
  readonly step: (x: NdArray | Readonly<Record<string, NdArray>>, state?: StreamState) => Promise<StreamStep>;
  /** Replaces the weights from the next step on; the state stays. */
  readonly setParameters: (parameters: Readonly<Record<string, NdArray>>) => void;
  /** Returns a zero state, which belongs to the caller. */
  readonly initialState: () => StreamState;
  /** Resets the stored state to zeros. */
  readonly reset: () => void;
  /** Frees its memory, including the state. */
  readonly destroy: () => void;
}

/**
 * Makes a stream of a trained network or objective, or of a model that was read from a file. An objective's loops over time
 * are opened: their carries are the state. An output of the whole sequence, such as the logits of its last step, is
 * returned after each step, for the sequence so far.
 *
 * @throws UserError (the promise rejects) if the model cannot run step by step, for example because of a backward loop: the
 *   message names the op and its line. Use `createPredictor` for whole sequences.
 */
export async function createStream(
  device: Device,
  source: Objective | ModelSource,
  parameters: Readonly<Record<string, NdArray>>,
  options: StreamOptions = {},
): Promise<Stream> {
  const kinds = { ...ofAbort, batch: "number", watch: "list" } as const;
  const { batch = 1, watch = [], signal } = checkedOptions("createStream", options, kinds);
  checkSource("createStream", source);
  if (!Number.isInteger(batch) || batch < 1) throw new UserError(`batch must be a whole number above 0, got ${batch}`);
  const whole = stepSource("createStream", source);
  const { graph: step, arena, tuned } = whole;
  const given = outputNames(whole);
  const graph: Graph = { ...step, outputs: [...step.outputs, ...watch] };
  const read = step.inputs.map((id) => inputName(step, id)).filter(isRead);
  const indices = indexChecks(step, read);
  const readback = graph.outputs.map((_, i) => i).slice(step.outputs.length - given.length);
  const compile = () =>
    device.compile(graph, { ...{ maxRows: batch, readback, tuning: tuned?.tuning }, parts: partsOf(graph, arena) });
  const executable = await abortable(signal, compile, (late) => late.destroy());
  let weights = device.upload(packArrays(parameters, arena), shapesOf(arena));
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
      if (isDestroyed) throw new UserError("the stream was destroyed; make another with createStream");
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
      weights = device.upload(packed, shapesOf(arena));
    },
    destroy: () => {
      isDestroyed = true;
      reset();
      weights.destroy();
      executable.destroy();
    },
  };
}

/** Returns the input arrays of a step, by name. Callers in JavaScript can pass anything. */
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
  if (stranger !== undefined) throw new UserError(`input ${stranger} is not used; expected ${names.join(", ")}`);
  for (const name of names) {
    const fault = Object.hasOwn(inputs, name) ? arrayFault(at([inputs[name]], 0)) : "is missing";
    if (fault !== undefined) throw new UserError(`${name} ${fault}`);
  }
  return inputs;
}

export function destroyState(state: StreamState): void {
  for (const array of Object.values(state)) array.destroy();
}

/** Feeds rows from a zero state until the caller stops; `next` is called after the previous output was used. */
async function* outputsOf(
  stream: Stream,
  next: (output: NdArray | undefined) => NdArray,
  signal: AbortSignalLike | undefined,
) {
  let state = stream.initialState();
  let output: NdArray | undefined;
  try {
    for (;;) {
      if (signal !== undefined) await nextMacrotask();
      signal?.throwIfAborted();
      const result = await stream.step(next(output), state);
      destroyState(state);
      ({ output, state } = result);
      signal?.throwIfAborted();
      yield output;
    }
  } finally {
    destroyState(state);
  }
}

/** Options of `sampleText`. */
export interface SampleOptions extends AbortOptions {
  /** The trained network. */
  readonly stream: Stream;
  /** Its characters. */
  readonly vocabulary: Vocabulary;
  /** Start of the text; if empty, a line break (or the first character, if the vocabulary has no line break). */
  readonly prompt?: string;
  /** Number of characters. */
  readonly length: number;
  /** Divides the logits; 0 always chooses the most likely character. 1 by default. */
  readonly temperature?: number;
  /** Seed of the random numbers; 0 by default. */
  readonly seed?: number;
}

/** Yields the text of each token after the prompt, usually a character; the stream must have batch 1. */
export async function* sampleText(options: SampleOptions): AsyncGenerator<string> {
  const {
    stream,
    vocabulary,
    prompt = "",
    length,
    temperature = 1,
    seed = 0,
    signal,
  } = checkedOptions("sampleText", options, {
    ...ofAbort,
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
    "a vocabulary, such as vocabularyOf(text)",
  );
  if (!Number.isInteger(length) || length < 0)
    throw new UserError(`length must be a whole number, 0 or more, got ${length}`);
  if (!(temperature >= 0 && temperature < Number.POSITIVE_INFINITY))
    throw new UserError(`temperature is ${temperature}; expected a number, 0 or more`);
  const random = randomStream(seed, "sample");
  const tokens = prompt === "" ? [lineBreakOf(vocabulary)] : [...vocabulary.encode(prompt)];
  const end = tokens.length + length;
  // The text of the first tokens depends on the prompt: decoders drop a leading space at the start of a text.
  const speak =
    vocabulary.speak?.(prompt === "" ? [] : [...tokens]) ?? ((token: number) => at(vocabulary.characters, token));
  let steps = 0;
  const next = () => ndarray([1], [at(tokens, steps++)], "i32");
  if (length === 0) return;
  for await (const logits of outputsOf(stream, next, signal)) {
    if (steps < tokens.length) continue;
    const token = sampleToken(logits.data, temperature, random);
    tokens.push(token);
    yield speak(token);
    if (tokens.length === end) return;
  }
}

/** The token of a line break, or 0. */
function lineBreakOf({ characters, encode, speak }: Vocabulary): number {
  const token = characters.indexOf("\n");
  // A tokenizer can encode it with other characters, and a space before it.
  if (token >= 0 || speak === undefined) return Math.max(0, token);
  return encode("\n").at(-1) ?? 0;
}

/** Samples a token from softmax(logits / temperature). */
function sampleToken(logits: Float64Array, temperature: number, random: RandomStream): number {
  if (!logits.every(Number.isFinite)) throw new UserError("the model's logits are not finite; check its weights");
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

/** Options of `forecast`. */
export interface ForecastOptions extends AbortOptions {
  /** The trained network. */
  readonly stream: Stream;
  /** The series so far: one row of features per time step, not normalised. */
  readonly values: readonly (readonly number[])[];
  /** Number of rows to add. */
  readonly horizon: number;
  /** The normalisation of training; without it values are not normalised. */
  readonly normalisation?: Normalisation;
}

/** Predicts the next rows: each prediction is fed back as the next value. The stream must have batch 1. */
export async function forecast(options: ForecastOptions): Promise<number[][]> {
  const { stream, values, horizon, normalisation, signal } = checkedOptions("forecast", options, {
    ...ofAbort,
    stream: "object",
    values: "list",
    horizon: "number",
    normalisation: "object",
  });
  if (!Number.isInteger(horizon) || horizon < 1)
    throw new UserError(`horizon must be a whole number above 0, got ${horizon}`);
  if (values.length === 0) throw new UserError("forecast: values is empty; expected at least one row");
  const flat = values.find((row) => typeof row !== "object");
  expectArgument(flat === undefined, "forecast: a row of the values", flat, "a list of numbers, one for each feature");
  const toModel = (row: readonly number[]) => (normalisation === undefined ? row : normalise(row, normalisation));
  const predictions: number[][] = [];
  let steps = 0;
  const next = (output: NdArray | undefined) => {
    const row = steps < values.length ? toModel(at(values, steps)) : output?.data;
    if (row === undefined) throw new InternalError("a forecast step has neither a value nor a prediction");
    steps += 1;
    return ndarray([1, row.length], row);
  };
  for await (const { data } of outputsOf(stream, next, signal)) {
    if (steps < values.length) continue;
    predictions.push([...(normalisation === undefined ? data : denormalise(data, normalisation))]);
    if (predictions.length === horizon) break;
  }
  return predictions;
}
