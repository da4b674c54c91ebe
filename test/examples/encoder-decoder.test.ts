/** @file The example of an encoder-decoder learns its task. */
import { expect, test } from "vitest";
import { drawWords, reversal } from "../../examples/encoder-decoder.ts";
import { createTrainer, openDevice } from "../../index.ts";
import { generator } from "../../testing/numbers/random-data.ts";
import { slow } from "../support/some-of.ts";

test("an encoder-decoder with additive attention learns to write words backwards", slow, async () => {
  const sizes = { letters: 3, units: 12, embed: 6 };
  const { objective, write } = reversal(sizes);
  const device = await openDevice();
  const random = generator(1);
  const trainer = await createTrainer(device, objective, { learningRate: 0.03, clipNorm: 1, seed: 3 });
  const losses: number[] = [];
  for (let step = 0; step < 80; step++) {
    losses.push((await trainer.step({ inputs: drawWords(random, sizes, 8, 3).inputs })).loss);
  }
  expect(losses[0]).toBeGreaterThan(0.8);
  expect(losses.slice(-20).reduce((a, b) => a + b) / 20).toBeLessThan(0.2);

  const { words } = drawWords(random, sizes, 20, 3);
  const written = await write(device, await trainer.parameters(), words);
  const right = words.filter((word, i) => word.toReversed().join() === written[i]?.join());
  expect(right.length).toBeGreaterThan(17);
  trainer.destroy();
  device.destroy();
});
