/**
 * @file `cellgrad start`, which is what `npm start` runs: a character LSTM on the text that every clone has (the
 * declarations of WebGPU's types), and a sample of what it learned to write.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { UserError } from "../../compiler/graph/errors.ts";
import { lstm } from "../../index.ts";
import { readText } from "../data-files.ts";
import { withDevice } from "../device.ts";
import { ExitCode } from "../errors.ts";
import type { DeviceName } from "../options.ts";
import { grouped } from "../progress.ts";
import { line, type Streams } from "../streams.ts";
import { textTask } from "../tasks.ts";
import { trainSession } from "../train-session.ts";
import { samples } from "./sample.ts";
import { introduction } from "./train.ts";

/** Small enough for a software adapter on two cores, large enough to learn what declarations look like. */
const DEMONSTRATION = {
  sizes: { cell: lstm, units: 96, layers: 1, embed: 32, batch: 16, time: 32 },
  steps: 600,
  learningRate: 0.006,
  seed: 1,
  sample: { prompt: "", length: 500, temperature: 0.7, seed: 1 },
} as const;

export interface StartCommandOptions {
  readonly steps?: number;
  readonly device: DeviceName;
}

export async function start(options: StartCommandOptions, streams: Streams): Promise<number> {
  const { sizes, learningRate, seed, sample } = DEMONSTRATION;
  const steps = options.steps ?? DEMONSTRATION.steps;
  const say = (text = "") => line(streams.stdout, text);
  const task = textTask(await readText(textFile()), "the declarations of @webgpu/types", sizes);

  return withDevice(options.device, async (device) => {
    for (const text of introduction(task, device.name)) say(text);
    const result = await trainSession({ task, device, steps, learningRate, seed, json: false, streams });
    const { run, before, after, model } = result;
    if (run.fault !== undefined) throw new UserError(`step ${run.fault.step}: ${run.fault.value}`);
    if (model === undefined || run.interrupted) return ExitCode.interrupted;

    say(`${grouped(run.steps)} steps in ${run.seconds.toFixed(1)} s, ${grouped(run.tokensPerSecond)} characters/s`);
    say();
    say("what it writes now:");
    say("-".repeat(72));
    for await (const character of samples(device, model, sample)) streams.stdout.write(character);
    say();
    say("-".repeat(72));
    say(finalLine(before, after, task.network.config.outputs));
    return ExitCode.ok;
  });
}

function finalLine(before = Number.NaN, after = Number.NaN, vocabulary: number): string {
  const chance = Math.log(vocabulary).toFixed(2);
  return `The held-out loss fell from ${before.toFixed(2)} (measured before training; ln ${vocabulary} = ${chance}) to ${after.toFixed(2)} nats per character.`;
}

function textFile(): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve("@webgpu/types/package.json")), "dist/index.d.ts");
  } catch (cause) {
    throw new UserError(
      "the demonstration trains on the declarations of @webgpu/types, which are not installed here; train on a file of your own: cellgrad train FILE",
      { cause },
    );
  }
}
