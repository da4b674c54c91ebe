/**
 * @file Samples memory of device and process, and step times, during long training; and while trainers are created and
 * destroyed. `npm run soak` runs it for a long time, the tests briefly.
 */
import { lstm } from "../../cells/lstm.ts";
import { rnn } from "../../cells/rnn.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import type { Device } from "../../devices/device.ts";
import type { Batch } from "../../train/data/batches.ts";
import { languageModel } from "../../train/networks.ts";
import { createTrainer } from "../../train/trainer.ts";

/** Memory after a part of the run, after garbage collection if the process allows it. */
export interface Sample {
  /** Steps or cycles so far. */
  readonly done: number;
  /** Of the device, as its runtime counts them. */
  readonly buffers: number;
  readonly deviceBytes: number;
  /** Of the process. */
  readonly heapBytes: number;
  readonly residentBytes: number;
  /** Of the fastest tenth of the piece, in a row: what else the machine does makes the others slower. */
  readonly millisecondsEach: number;
}

export interface SoakOptions {
  /** Steps, or cycles. */
  readonly count: number;
  /** How many samples are taken, evenly. */
  readonly samples: number;
  readonly onSample?: (sample: Sample) => void;
}

const network = languageModel({ cell: lstm, units: 16, layers: 1, vocabulary: 11, embed: 8 });
const [rows, steps] = [4, 16];

/** Alternates two batch sizes, as the last batch of a file is shorter; some batches are fresh, others carry a state. */
function batch(i: number): Batch {
  const time = i % 7 === 6 ? steps / 2 : steps;
  const tokens = Array.from({ length: rows * time }, (_, at) => (at * at + i) % 11);
  const array = ndarray([time, rows], tokens, "i32");
  return { x: array, targets: array, fresh: i % 5 === 0 };
}

/** One trainer for all steps, four in flight at a time; weights are read in every sample. */
export async function soakSteps(device: Device, options: SoakOptions): Promise<Sample[]> {
  const trainer = await createTrainer(device, network, { clipNorm: 1, seed: 1 });
  const inFlight: Promise<unknown>[] = [];
  const samples = await sampled(device, options, async (i) => {
    inFlight.push(trainer.step(batch(i)));
    if (inFlight.length >= 4) await inFlight.shift();
    if (i % 100 === 0) await trainer.parameters();
  });
  await Promise.all(inFlight);
  trainer.destroy();
  return samples;
}

/** Trainers that are created, train, sometimes evaluate, and are destroyed, each with another width than the last. */
export function soakCycles(device: Device, options: SoakOptions): Promise<Sample[]> {
  return sampled(device, options, async (i) => {
    const cycled = languageModel({ cell: rnn, units: 4 + (i % 3), layers: 1, vocabulary: 11, embed: 4 });
    const trainer = await createTrainer(device, cycled, { seed: i });
    await Promise.all([trainer.step(batch(0)), trainer.step(batch(1))]);
    if (i % 3 === 0) await trainer.evaluate([batch(0)]);
    await trainer.checkpoint();
    trainer.destroy();
    // Evaluation programs are freed in a later turn.
    await new Promise((resolve) => setImmediate(resolve));
    device.trim();
  });
}

async function sampled(
  device: Device,
  { count, samples, onSample }: SoakOptions,
  one: (i: number) => Promise<void>,
): Promise<Sample[]> {
  const found: Sample[] = [];
  const tenth = Math.max(1, Math.floor(count / samples / 10));
  let times: number[] = [];
  let began = performance.now();
  for (let i = 0; i < count; i++) {
    await one(i);
    if ((i + 1) % tenth === 0) {
      times.push((performance.now() - began) / tenth);
      began = performance.now();
    }
    if (Math.floor(((i + 1) * samples) / count) === found.length) continue;
    const sample = { done: i + 1, ...held(device), millisecondsEach: quantile(times, 0) };
    times = [];
    began = performance.now();
    found.push(sample);
    onSample?.(sample);
  }
  return found;
}

function held(device: Device) {
  (globalThis as { gc?: () => void }).gc?.();
  const { bytes, buffers } = device.memory();
  const { heapUsed, rss } = process.memoryUsage();
  return { buffers, deviceBytes: bytes, heapBytes: heapUsed, residentBytes: rss };
}

/** The quantile of the values at this fraction. */
export function quantile(values: readonly number[], part: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN;
}
