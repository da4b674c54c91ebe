/** @file `cellgrad sample`: generates text with a trained model. */
import { UserError } from "../../compiler/graph/errors.ts";
import type { Device } from "../../devices/device.ts";
import { vocabularyOfModel } from "../../train/data/tokenizer.ts";
import type { SavedModel } from "../../train/files/model-file.ts";
import { createStream, sampleText } from "../../train/stream.ts";
import { type DeviceOptions, withDevice } from "../device.ts";
import { ExitCode } from "../errors.ts";
import { readModel } from "../model-input.ts";
import { escapeControls, jsonLine, line, type Streams } from "../streams.ts";
import { warnIfOtherAdapter } from "../tuning.ts";

export interface SampleCommandOptions extends DeviceOptions {
  readonly prompt: string;
  readonly length: number;
  readonly temperature: number;
  readonly seed: number;
  readonly json?: boolean;
}

export async function sample(path: string, options: SampleCommandOptions, streams: Streams): Promise<number> {
  const { stdout } = streams;
  const model = await readModel(path, "text");
  await checkPrompt(model, options.prompt);
  return withDevice(options, streams, async (device) => {
    const { prompt, temperature, seed, json } = options;
    warnIfOtherAdapter(model.tuned, device, streams);
    if (json) {
      let text = "";
      for await (const character of samples(device, model, options)) text += character;
      jsonLine(stdout, { prompt, text, temperature, seed, device: device.name });
    } else {
      stdout.write(prompt);
      // A file gets the text unchanged; on a terminal, control characters are escaped.
      const shown = (character: string) => (stdout.isTTY && character !== "\r" ? escapeControls(character) : character);
      for await (const character of samples(device, model, options)) stdout.write(shown(character));
      line(stdout);
    }
    return ExitCode.ok;
  });
}

/** Yields the characters after the prompt, as they are sampled. */
export async function* samples(
  device: Device,
  model: SavedModel,
  { prompt, length, temperature, seed }: Pick<SampleCommandOptions, "prompt" | "length" | "temperature" | "seed">,
): AsyncGenerator<string> {
  const stream = await createStream(device, model, model.parameters);
  try {
    yield* sampleText({ prompt, length, temperature, seed, stream, vocabulary: await vocabularyOfModel(model) });
  } finally {
    stream.destroy();
  }
}

async function checkPrompt(model: SavedModel, prompt: string): Promise<void> {
  try {
    (await vocabularyOfModel(model)).encode(prompt);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`--prompt: ${error.message}`, { cause: error }) : error;
  }
}
