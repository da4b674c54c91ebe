/** @file What the programs of the recipes claim; see claims.ts. */
import type { Claim } from "./claims.ts";

/** Of the recipes, by page; the blocks of a page are one program. */
export const recipeClaims: Readonly<Record<string, readonly Claim[]>> = {
  "docs/recipes/csv-in-a-page.md": [
    {
      after: 'console.log("held-out loss, in units of the variance:", await trainer.evaluate(batches.validation));',
      says: "all three columns are learned: what is left is a small part of their variance",
      check: `
expect(series.columns).toEqual(["temperature", "humidity", "pressure"]);
expect(await trainer.evaluate(batches.validation)).toBeLessThan(0.2);`,
    },
    {
      after: "const next = await forecast({ stream, values: past, horizon: 3, normalisation: batches.normalisation });",
      says: "three rows, each column in its own units and near its true continuation",
      check: `
expect(next.map((row) => row.length)).toEqual([3, 3, 3]);
next.forEach(([temperature = 0, humidity = 0, pressure = 0], i) => {
  expect(Math.abs(temperature - (20 + 5 * Math.sin((200 + i) / 4)))).toBeLessThan(3);
  expect(Math.abs(humidity - (60 - 10 * Math.cos((200 + i) / 4)))).toBeLessThan(6);
  expect(Math.abs(pressure - (1013 + Math.sin((200 + i) / 8)))).toBeLessThan(0.6);
});`,
    },
  ],
  "docs/recipes/variable-lengths.md": [
    {
      after: 'console.log("loss", await trainer.evaluate(batches));',
      says: "it learns, and evaluation does not depend on how batches are cut, nor on what the padding holds",
      check: `
import { openInterpreter } from "cellgrad";
{
  expect(await trainer.evaluate(batches)).toBeLessThan(0.35);
  const exact = await createTrainer(openInterpreter(), tagger, { parameters: await trainer.parameters() });
  const loss = await exact.evaluate(batches);
  const whole = padded(sorted);
  expect(await exact.evaluate([{ inputs: whole, fresh: true }])).toBeCloseTo(loss, 10);
  const [time = 0, rows = 0] = whole.xs.shape;
  const valid = (i: number) => Math.floor(i / rows) < (whole.lengths.data[i % rows] ?? 0);
  const filled = { ...whole, xs: { ...whole.xs, data: whole.xs.data.map((value, i) => (valid(i) ? value : Number.NaN)) } };
  expect(filled.xs.data.filter((value) => Number.isNaN(value)).length).toBeGreaterThan(time);
  expect(await exact.evaluate([{ inputs: filled, fresh: true }])).toBeCloseTo(loss, 10);
}`,
    },
  ],
  "docs/recipes/classification.md": [
    {
      after: 'console.log("right", await trainer.evaluate(batches.validation, { metric: classified }));',
      says: "every held-out sequence is told right",
      check: "expect(await trainer.evaluate(batches.validation, { metric: classified })).toBe(1);",
    },
    {
      after: 'console.log("class", guess?.name, guess?.probability);',
      says: "the new sequence rises, as its larger logit says",
      check: `
expect(guess?.name).toBe("rising");
expect(guess?.probability).toBeGreaterThan(0.5);
expect(output.data.at(-1)).toBeGreaterThan(output.data.at(-2) ?? 0);`,
    },
    {
      after:
        'console.log("classes", model.classes, "again", classGuesses(again.output, { classes: data.classes })[0]?.name);',
      says: "the saved classifier has the classes and the logits of the trained one",
      check: `
expect(model.classes).toEqual(["falling", "rising"]);
output.data.forEach((logit, i) => expect(again.output.data[i]).toBeCloseTo(logit, 4));`,
    },
  ],
  "docs/recipes/custom-loss.md": [
    {
      after: 'console.log("loss", final);',
      says: "the loss is that of predicting the quantile 0.9 of numbers spread evenly from 0 to 1, which is 0.045",
      check: `
{
  const pinball = (q: number) => [...target.data].reduce((total, y) => total + Math.max(0.9 * (y - q), -0.1 * (y - q)), 0) / target.data.length;
  expect(pinball(0.9)).toBeCloseTo(0.045, 2);
  // What the network could find out of x is little; to predict the middle would cost twice as much as this.
  expect(final).toBeLessThan(1.1 * pinball(0.9));
  expect(final).toBeLessThan(0.5 * pinball(0.5));
}`,
    },
  ],
  "docs/recipes/surrogate-gradients.md": [
    {
      after: "const [value, slope, spikes, surrogate] = interpret(graph, [ndarray([4], [-1.2, -0.1, 0.1, 1.7])]);",
      says: "values are those of rounding and of the threshold, derivatives those that were put in their place",
      check: `
[-1.2, -0.1, 0.1, 1.7].forEach((x, i) => {
  expect(value?.data[i]).toBeCloseTo(Math.round(x), 12);
  expect(slope?.data[i]).toBe(1);
  expect(spikes?.data[i]).toBe(x > 0 ? 1 : 0);
  expect(surrogate?.data[i]).toBeCloseTo(1 / (1 + 10 * Math.abs(x)) ** 2, 12);
});`,
    },
    {
      after: 'console.log("loss", before, "->", await trainer.evaluate([{ inputs }]));',
      says: "weights behind spikes learn, which they could not with the true derivative of a threshold",
      check: `
{
  expect(await trainer.evaluate([{ inputs }])).toBeLessThan(0.5 * before);
  const [start, after] = [(await createTrainer(device, network, { seed: 1 })).parameters(), trainer.parameters()];
  const path = network.specs.map((spec) => spec.path).find((name) => name.endsWith("current/kernel")) ?? "";
  expect((await after)[path]?.data).not.toEqual((await start)[path]?.data);
}`,
    },
  ],
  "docs/recipes/cells-per-layer.md": [
    {
      after: 'console.log(Object.keys(text.stateShapes).join(", ")); // layers/0/h, layers/1/c, layers/1/h',
      says: "the first layer is a GRU, the second an LSTM",
      check: `
expect(Object.keys(text.stateShapes)).toEqual(["layers/0/h", "layers/1/c", "layers/1/h"]);
expect(text.specs.some(({ path }) => path.startsWith("layers/1/lstm/"))).toBe(true);`,
    },
    {
      after: 'console.log("loss", before, "->", await trainer.evaluate([{ inputs }]));',
      says: "three kinds of cells have their weights, and all of it learns",
      check: `
expect(await trainer.evaluate([{ inputs }])).toBeLessThan(0.5 * before);
for (const part of ["layers/0/lstm/", "layers/1/indrnn/", "layers/2/gru/"])
  expect(network.specs.some(({ path }) => path.includes(part)), part).toBe(true);`,
    },
  ],
  "docs/recipes/resume.md": [
    {
      after: 'console.log("held-out loss", await second.evaluate(batches.validation));',
      says: "the run that was resumed is the one without a break, but for what a file rounds to f32",
      check: `
{
  const unbroken = await createTrainer(device, network, options);
  for (let pass = 0; pass < 2; pass++) for (const batch of batches.training) await unbroken.step(batch);
  const [after, broken] = [await unbroken.parameters(), await second.parameters()];
  for (const [path, { data }] of Object.entries(after)) data.forEach((x, i) => expect(broken[path]?.data[i]).toBeCloseTo(x, 4));
  expect(await second.evaluate(batches.validation)).toBeCloseTo(await unbroken.evaluate(batches.validation), 4);
  // That this tells a run that goes on from one that begins anew: a restored optimizer has other steps than a fresh one.
  const anew = await createTrainer(device, network, { ...options, parameters: kept.parameters });
  for (const batch of batches.training) await anew.step(batch);
  expect(Math.abs((await anew.evaluate(batches.validation)) - (await unbroken.evaluate(batches.validation)))).toBeGreaterThan(1e-3);
}`,
    },
  ],
  "docs/recipes/sessions.md": [
    {
      after: 'console.log("logits", afterHi.length, afterQu.length);',
      says: "each session gives what a stream of its own would, though they take turns",
      check: `
for (const [text, logits] of [["hi", afterHi], ["qu", afterQu]] as const) {
  stream.reset();
  let alone: ArrayLike<number> = [];
  for (const character of text) alone = (await stream.step(ndarray([1], vocabulary.encode(character), "i32"))).output.data;
  expect(Array.from(logits)).toEqual(Array.from(alone));
}
expect(Array.from(afterHi)).not.toEqual(Array.from(afterQu));`,
    },
  ],
  "docs/recipes/sweep.md": [
    {
      after: "device.destroy();",
      says: "every model has a loss, no two are equal, the larger rate wins, and its weights are there",
      check: `
expect(new Set(losses).size).toBe(4);
expect(best).toBe(3);
expect(Object.keys(weights).length).toBeGreaterThan(4);`,
    },
  ],
};
