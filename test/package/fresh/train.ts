/** @file What somebody writes who has just installed cellgrad: the same in Node, in Deno and in a page. */
import { createTrainer, gru, openDevice } from "cellgrad";
import { textBatches, vocabularyOf } from "cellgrad/data";
import { type SavedModel, savedModel } from "cellgrad/files";
import { languageModel, type Network } from "cellgrad/networks";

export interface Outcome {
  readonly device: string;
  readonly losses: readonly number[];
  readonly model: SavedModel;
}

const text = "the quick brown fox jumps over the lazy dog. ".repeat(6);

export async function train(): Promise<Outcome> {
  const vocabulary = vocabularyOf(text);
  const { training } = textBatches(vocabulary.encode(text), { batch: 2, time: 12 });
  const size = vocabulary.characters.length;
  const network: Network = languageModel({ cell: gru, units: 8, layers: 1, vocabulary: size, embed: 6 });
  const device = await openDevice();
  const trainer = await createTrainer(device, network, { learningRate: 0.02, seed: 3 });
  const losses: number[] = [];
  for (const batch of training) losses.push((await trainer.step(batch)).loss);
  const model = savedModel(network, await trainer.parameters(), { vocabulary: vocabulary.characters });
  trainer.destroy();
  device.destroy();
  return { device: device.name, losses, model };
}
