/** @file Samples of a network's text during training, at growing intervals, on the device that trains it. */
import type { Device } from "../../devices/device.ts";
import { vocabularyOfModel } from "../../train/data/tokenizer.ts";
import { createStream, type Stream, sampleText } from "../../train/stream.ts";
import type { Trainer } from "../../train/trainer.ts";
import type { TrainingSetup } from "../training-setup.ts";

/** Fractions of a run after which a sample is taken: closer at first, when the text changes most. */
const PARTS = [1 / 30, 1 / 10, 1 / 4, 1 / 2];

/** The steps after which a sample is taken; not after the last, whose sample is the result. */
export function sampledSteps(steps: number): number[] {
  const all = PARTS.map((part) => Math.round(part * steps));
  return [...new Set(all)].filter((step) => step > 0 && step < steps);
}

export interface InterimSamplesOptions {
  readonly setup: Pick<TrainingSetup, "network" | "details">;
  readonly device: Device;
  readonly length: number;
  readonly temperature: number;
  readonly seed: number;
}

/** Samples with the current weights, using one stream that is compiled for the first sample. */
export class InterimSamples {
  readonly #options: InterimSamplesOptions;
  #stream: Stream | undefined;

  constructor(options: InterimSamplesOptions) {
    this.#options = options;
  }

  async take(trainer: Trainer): Promise<string> {
    const { setup, device, length, temperature, seed } = this.#options;
    const parameters = await trainer.parameters();
    if (this.#stream === undefined) this.#stream = await createStream(device, setup.network, parameters);
    else this.#stream.setParameters(parameters);
    const vocabulary = await vocabularyOfModel(setup.details);
    let text = "";
    for await (const character of sampleText({ stream: this.#stream, vocabulary, length, temperature, seed }))
      text += character;
    return text;
  }

  destroy(): void {
    this.#stream?.destroy();
  }
}
