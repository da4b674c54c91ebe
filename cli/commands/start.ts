/**
 * @file `cellgrad start`, run by `npm start`: trains a character LSTM on a text that is already on disk (in a clone, the
 * declarations of WebGPU's types), then prints a sample.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../compiler/graph/errors.ts";
import type { Device } from "../../devices/device.ts";
import { readText } from "../../disk/data-files.ts";
import { lstm } from "../../index.ts";
import type { Trainer } from "../../train/trainer.ts";
import { type DeviceOptions, withDevice } from "../device.ts";
import { ExitCode } from "../errors.ts";
import { InterimSamples, sampledSteps } from "../live/interim-samples.ts";
import { showLive } from "../live/live-display.ts";
import { grouped } from "../progress.ts";
import { line, type Streams } from "../streams.ts";
import { trainSession } from "../train-session.ts";
import { type SetupOptions, setupOfText, type TrainingSetup } from "../training-setup.ts";
import { samples } from "./sample.ts";
import { introduction } from "./train.ts";

export interface Demonstration {
  readonly sizes: SetupOptions;
  readonly steps: number;
  readonly learningRate: number;
  readonly seed: number;
  readonly sample: {
    readonly prompt: string;
    readonly length: number;
    readonly temperature: number;
    readonly seed: number;
  };
}

/** Small enough for half a minute on two cores, large enough to write plausible WebGPU declarations. */
const DEMONSTRATION: Demonstration = {
  sizes: { cell: lstm, units: 128, layers: 2, embed: 32, batch: 16, time: 32 },
  steps: 1200,
  learningRate: 0.006,
  seed: 1,
  sample: { prompt: "", length: 500, temperature: 0.7, seed: 1 },
};

export interface StartCommandOptions extends DeviceOptions {
  readonly steps?: number;
}

export async function start(options: StartCommandOptions, streams: Streams): Promise<number> {
  const { path, name } = textFile();
  const text = await readText(path);
  const demonstration = { ...DEMONSTRATION, steps: options.steps ?? DEMONSTRATION.steps };
  return withDevice(options, streams, (device) => demonstrate(text, name, demonstration, device, streams));
}

/** Trains on a text, prints a sample, and ends with a line about the loss. */
export async function demonstrate(
  text: string,
  name: string,
  { sizes, steps, learningRate, seed, sample }: Demonstration,
  device: Device,
  streams: Streams,
): Promise<number> {
  const say = (words = "") => line(streams.stdout, words);
  const setup = await setupOfText(text, name, sizes);
  for (const words of introduction(setup, device.name)) say(words);
  const display = demonstrationDisplay(setup, device, steps, sample, streams);
  const session = { setup, device, steps, learningRate, seed, json: false, streams, display };
  const result = await trainSession(session).finally(display.destroy);
  const { run, before, after, model } = result;
  if (run.fault !== undefined) throw new UserError(`step ${run.fault.step}: ${run.fault.value}`);
  if (model === undefined || run.interrupted) return ExitCode.interrupted;

  say(`${grouped(run.steps)} steps in ${run.seconds.toFixed(1)} s, ${grouped(run.tokensPerSecond)} characters/s`);
  say();
  say("a sample of its text:");
  say(RULE);
  for await (const character of samples(device, model, sample)) streams.stdout.write(character);
  say();
  say(RULE);
  say(finalLine(before, after, setup.network.config.outputs));
  return ExitCode.ok;
}

/** Live progress, and from time to time a sample of the network's text. */
function demonstrationDisplay(
  setup: TrainingSetup,
  device: Device,
  steps: number,
  { temperature, seed }: Demonstration["sample"],
  { stderr }: Streams,
) {
  const live = showLive(stderr, steps, setup.entries);
  const samples = new InterimSamples({ setup, device, length: INTERIM_LENGTH, temperature, seed });
  const moments = new Set(sampledSteps(steps));
  return {
    ...live,
    after: async (step: number, trainer: Trainer) => {
      if (moments.has(step)) live.wrote(step, await samples.take(trainer));
    },
    destroy: () => samples.destroy(),
  };
}

/** Characters of an interim sample: one terminal line, plus some for collapsed indentation. */
const INTERIM_LENGTH = 80;
const RULE = "-".repeat(72);

function finalLine(before = Number.NaN, after = Number.NaN, vocabulary: number): string {
  const chance = `ln ${vocabulary} = ${Math.log(vocabulary).toFixed(2)}`;
  const moved = after < before ? "fell" : "did not fall: it went";
  return `The held-out loss ${moved} from ${before.toFixed(2)} (before training; ${chance}) to ${after.toFixed(2)} nats per character.`;
}

/** The training text of the demonstration: WebGPU's declarations in a clone, a page of docs/ in an installed package. */
export function textFile(resolve: (name: string) => string = createRequire(import.meta.url).resolve): {
  readonly path: string;
  readonly name: string;
} {
  try {
    const types = dirname(resolve("@webgpu/types/package.json"));
    return { path: join(types, "dist/index.d.ts"), name: "the declarations of @webgpu/types" };
  } catch {
    // The compiled files are one folder deeper than the source.
    const depth = import.meta.url.endsWith(".ts") ? "../.." : "../../..";
    return {
      path: fileURLToPath(new URL(`${depth}/docs/architecture.md`, import.meta.url)),
      name: "cellgrad's own documentation",
    };
  }
}
