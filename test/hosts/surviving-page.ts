/**
 * @file A page that trains without end. When its device is lost, it continues with another from its saved weights. Its
 * events are recorded in the global object.
 */
import { createTrainer, DeviceLostError, gru } from "../../index.ts";
import { textBatches, vocabularyOf } from "../../train/data/text.ts";
import { languageModel } from "../../train/networks.ts";
import { openWebgpu } from "../support/webgpu.ts";

export const story = {
  /** Name and message of every error. */
  errors: [] as string[],
  /** What `device.lost` told. */
  told: [] as string[],
  /** Held-out losses: of the weights kept last, at the end of each life, and of the same weights in the next. */
  kept: [] as number[],
  resumed: [] as number[],
  steps: 0,
};

Object.assign(globalThis, { story });

const text = "she sells sea shells by the sea shore. ".repeat(8);
const vocabulary = vocabularyOf(text);
const { training, validation } = textBatches(vocabulary.encode(text), { batch: 2, time: 10 });
const network = languageModel({
  cell: gru,
  units: 8,
  layers: 1,
  vocabulary: vocabulary.characters.length,
  embed: 4,
});

type Weights = Awaited<ReturnType<Awaited<ReturnType<typeof createTrainer>>["parameters"]>>;

/** Trains until the device is lost, and returns the last saved weights. */
async function live(weights: Weights | undefined): Promise<Weights | undefined> {
  const device = await openWebgpu();
  void device.lost.then(({ message }) => story.told.push(message));
  const trainer = await createTrainer(device, network, { learningRate: 0.01 });
  if (weights !== undefined) {
    trainer.setParameters(weights);
    story.resumed.push(await trainer.evaluate(validation));
  }
  let kept = weights;
  let heldOut = Number.NaN;
  try {
    for (;;) {
      for (const batch of training) await trainer.step(batch);
      const weightsNow = await trainer.parameters();
      // Both or neither: the device may go at any time.
      [kept, heldOut] = [weightsNow, await trainer.evaluate(validation)];
      story.steps += 1;
    }
  } catch (error) {
    if (!(error instanceof DeviceLostError)) throw error;
    story.errors.push(`${error.name}: ${error.message}`);
    story.kept.push(heldOut);
    return kept;
  }
}

await live(await live(undefined)).catch((error: unknown) => story.errors.push(String(error)));
