/**
 * @file Classifies sequences: waves of three shapes, with random periods, phases and lengths, and noise. The sequences of a
 * batch have different lengths and are padded; the class is predicted at the end of each, and padding has no effect. For
 * your own data, replace `waves` by `readLabelled` of "cellgrad/node", which reads JSON lines, or for images by
 * `readImageFolder`, where pixels are the steps.
 *
 *   npm run build && npx jiti examples/sequence-classification.ts
 */
import { fileURLToPath } from "node:url";
import { createTrainer, type Device, gru, openDevice } from "cellgrad";
import { type LabelledSequences, labelledBatches } from "cellgrad/data";
import { classified, classifierModel } from "cellgrad/networks";

const forms: Readonly<Record<string, (phase: number) => number>> = {
  sine: (phase) => Math.sin(2 * Math.PI * phase),
  square: (phase) => (phase % 1 < 0.5 ? 1 : -1),
  sawtooth: (phase) => 2 * (phase % 1) - 1,
};

/** `count` waves, each of 20 to 40 steps; `random` returns numbers in [0, 1). */
export function waves(count: number, random: () => number): LabelledSequences {
  const classes = Object.keys(forms);
  const labels = Array.from({ length: count }, (_, i) => i % classes.length);
  const sequences = labels.map((label) => {
    const form = Object.values(forms)[label] ?? (() => 0);
    const [start, period] = [random(), 6 + 8 * random()];
    const length = 20 + Math.floor(21 * random());
    return Float64Array.from({ length }, (_, t) => form(start + t / period) + 0.4 * (random() - 0.5));
  });
  return { sequences, features: 1, labels, classes };
}

/** Trains; returns the fraction of held-out sequences that are classified correctly, before and after. */
export async function learnToClassify(device: Device, data: LabelledSequences, epochs: number) {
  const { classes } = data;
  const batches = labelledBatches(data, { batch: 16, heldOut: 0.2 });
  const network = classifierModel({ cell: gru, units: 16, classes: classes.length, reads: { features: 1 } });
  const trainer = await createTrainer(device, network, { learningRate: 0.02, clipNorm: 1 });
  const right = () => trainer.evaluate(batches.validation, { metric: classified });
  const before = await right();
  for (let epoch = 1; epoch <= epochs; epoch++) {
    for (const batch of batches.training) await trainer.step(batch);
    console.log(`epoch ${epoch}: ${(100 * (await right())).toFixed(0)} % of the held-out waves are correct`);
  }
  const after = await right();
  trainer.destroy();
  return { before, after };
}

async function main(): Promise<void> {
  const device = await openDevice();
  await learnToClassify(device, waves(400, Math.random), 12);
  device.destroy();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
