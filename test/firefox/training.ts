/** @file What pages and Node train: an LSTM whose steps are long enough to be cut in slices and shared out among threads. */
import { createTrainer, type Device, lstm } from "../../index.ts";
import { textBatches, vocabularyOf } from "../../train/data/text.ts";
import { languageModel } from "../../train/networks.ts";

const text = "she sells sea shells by the sea shore, the shells she sells are sea shells. ".repeat(64);
const vocabulary = vocabularyOf(text);
/** Sizes of a training step. */
export interface Size {
  readonly units: number;
  readonly batch: number;
  readonly time: number;
}

/** What float64 computes in seconds. */
export const small: Size = { units: 96, batch: 16, time: 48 };
/** A step takes one thread many times as long as a page may be busy for. */
export const large: Size = { units: 256, batch: 32, time: 64 };

/** Losses of the first steps, in nats a character. `began` is called after the first of them: then all is compiled. */
export async function trainSteps(device: Device, size: Size, count: number, began?: () => void): Promise<number[]> {
  const { units, ...sizes } = size;
  const batches = [...textBatches(vocabulary.encode(text), sizes).training];
  const network = languageModel({ cell: lstm, units, layers: 1, vocabulary: vocabulary.characters.length, embed: 32 });
  const trainer = await createTrainer(device, network, { learningRate: 0.02, clipNorm: 1, seed: 7 });
  const losses: number[] = [];
  while (losses.length < count) {
    for (const batch of batches.slice(0, count - losses.length)) {
      losses.push((await trainer.step(batch)).loss);
      if (losses.length === 1) began?.();
    }
  }
  trainer.destroy();
  return losses;
}
