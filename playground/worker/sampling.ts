/** @file What a trained model makes of a beginning: text, a forecast, or an answer; with its gates and states on the way. */
import { at, UserError } from "../../compiler/graph/errors.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import type { Device } from "../../devices/device.ts";
import { nextMacrotask } from "../../train/abort.ts";
import { denormalise } from "../../train/data/normalisation.ts";
import { type Gate, gatesOf } from "../../train/gates.ts";
import {
  createStream,
  destroyState,
  forecast,
  type ModelSource,
  type Stream,
  type StreamStep,
  sampleText,
} from "../../train/stream.ts";
import type { RunName, Sample, SampleTrace, Table, TracedValue } from "../shared/protocol.ts";
import { type Dataset, rowOf } from "./dataset.ts";

const longest = 5000;
/** Rows that a forecast reads before it goes on by itself. */
const context = 100;

/** A stream with batch 1 that shows its gates. */
export interface Sampler {
  readonly stream: Stream;
  readonly gates: readonly Gate[];
  readonly destroy: () => void;
}

export async function openSampler(
  device: Device,
  source: ModelSource,
  parameters: Parameters<Stream["setParameters"]>[0],
): Promise<Sampler> {
  const gates = gatesOf(source);
  const stream = await createStream(device, source, parameters, { watch: gates.map(({ node }) => node) });
  return { stream, gates, destroy: stream.destroy };
}

/** What of a model or of the data a sample needs to know. */
export type SampleData = Pick<Dataset, "kind" | "vocabulary" | "normalisation"> & {
  /** Held-out sequences, if there are any. */
  readonly heldOut: Dataset["batches"];
};

export interface SampleOptions {
  readonly run: RunName;
  readonly prompt?: string;
  readonly length: number;
  readonly temperature?: number;
  readonly seed?: number;
  readonly trace?: boolean;
  /** Ends the sample with the signal's reason. */
  readonly signal: AbortSignal;
  readonly onText: (text: string) => void;
}

export async function sampleFrom(sampler: Sampler, data: SampleData, options: SampleOptions): Promise<Sample> {
  const { length } = options;
  if (!Number.isInteger(length) || length < 1 || length > longest)
    throw new UserError(`the length is ${length}; expected a whole number from 1 to ${longest}`);
  const recorder = new Recorder(sampler, options);
  const sample =
    data.kind === "text"
      ? await sampleSymbols(recorder.stream, data, options)
      : data.kind === "series"
        ? await sampleSeries(recorder.stream, data, options)
        : await sampleAnswers(recorder.stream, data, options);
  return options.trace ? { ...sample, trace: recorder.trace(data) } : sample;
}

async function sampleSymbols(stream: Stream, { vocabulary }: SampleData, options: SampleOptions): Promise<Sample> {
  if (vocabulary === undefined) throw new UserError("the model has no symbols to write with");
  const { run, prompt = "", length, temperature = 1, seed = 0, onText } = options;
  let [text, untold, told] = ["", "", performance.now()];
  for await (const character of sampleText({ stream, vocabulary, prompt, length, temperature, seed })) {
    text += character;
    untold += character;
    if (performance.now() - told < 50) continue;
    onText(untold);
    [untold, told] = ["", performance.now()];
  }
  if (untold !== "") onText(untold);
  return { run, prompt, text };
}

async function sampleSeries(stream: Stream, data: SampleData, { run, length }: SampleOptions): Promise<Sample> {
  const { normalisation } = data;
  const seen = heldOutRow(data, context).x;
  const values = seen.map((row) => (normalisation === undefined ? row : [...denormalise(row, normalisation)]));
  const rows = await forecast({ stream, values, horizon: length, ...(normalisation && { normalisation }) });
  return { run, prompt: "", text: "", rows: tableOf(rows), truth: tableOf(values) };
}

/** The answer at each step of a held-out sequence, and what was asked for. */
async function sampleAnswers(stream: Stream, data: SampleData, { run, length }: SampleOptions): Promise<Sample> {
  const { x, targets } = heldOutRow(data, Math.max(length, 6));
  const rows: number[][] = [];
  let state = stream.initialState();
  try {
    for (const row of x) {
      const result = await stream.step(ndarray([1, row.length], row), state);
      destroyState(state);
      state = result.state;
      rows.push([...result.output.data]);
    }
  } finally {
    destroyState(state);
  }
  // The last entry of a target is its weight: where that is 0, nothing was asked.
  const truth = targets.map((row) => row.slice(0, -1).map((value) => (row[row.length - 1] === 0 ? Number.NaN : value)));
  return { run, prompt: "", text: "", rows: tableOf(rows), truth: tableOf(truth) };
}

function heldOutRow({ heldOut }: SampleData, time: number): { x: number[][]; targets: number[][] } {
  const { training, validation } = heldOut({ batch: 1, time });
  for (const { x, targets } of validation) return { x: rowOf(x, 0), targets: rowOf(targets, 0) };
  for (const { x, targets } of training) return { x: rowOf(x, 0), targets: rowOf(targets, 0) };
  throw new UserError("there are no data to go on from");
}

/** Looks at every step of a stream, and lets it be stopped. */
class Recorder {
  readonly stream: Stream;
  readonly #gates: readonly Gate[];
  readonly #values = new Map<string, number[][]>();
  readonly #read: number[][] = [];
  #breath = performance.now();

  constructor({ stream, gates }: Sampler, { signal, trace = false }: SampleOptions) {
    this.#gates = gates;
    this.stream = {
      ...stream,
      step: async (x, state) => {
        // The interpreter never waits for a device, and would not let the page be heard.
        if (performance.now() - this.#breath > 20) {
          await nextMacrotask();
          this.#breath = performance.now();
        }
        signal.throwIfAborted();
        const result = await stream.step(x, state);
        if (trace) await this.#record([...(x as NdArray).data], result);
        return result;
      },
    };
  }

  async #record(x: number[], { watched, state }: StreamStep): Promise<void> {
    this.#read.push(x);
    for (const [i, { name }] of this.#gates.entries()) this.#add(name, at(watched, i).data);
    const states = Object.entries(state).map(async ([name, array]) => [name, await array.read()] as const);
    for (const [name, { data }] of await Promise.all(states)) this.#add(name.replace(/^state\//, ""), data);
  }

  #add(name: string, row: Float64Array): void {
    const rows = this.#values.get(name) ?? [];
    rows.push([...row]);
    this.#values.set(name, rows);
  }

  trace({ vocabulary }: SampleData): SampleTrace {
    const symbols = this.#read.map((x) =>
      vocabulary === undefined
        ? x.map((value) => String(Number(value.toPrecision(3)))).join(", ")
        : x.map((token) => vocabulary.characters[token] ?? "").join(""),
    );
    const values = [...this.#values].map(([name, rows]): TracedValue => {
      const gate = this.#gates.find((each) => each.name === name);
      const table = tableOf(rows);
      if (gate === undefined) return { name, kind: "state", range: rangeOf(table), table };
      return { name, kind: "gate", range: gate.op === "sigmoid" ? [0, 1] : [-1, 1], table };
    });
    return { symbols, values };
  }
}

function tableOf(rows: readonly (readonly number[])[]): Table {
  return { rows: rows.length, columns: rows[0]?.length ?? 0, values: Float64Array.from(rows.flat()) };
}

function rangeOf({ values }: Table): readonly [number, number] {
  return [values.reduce((a, b) => Math.min(a, b), 0), values.reduce((a, b) => Math.max(a, b), 0)];
}
