/** @file The examples, with few steps: each learns what its first paragraph says. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { readAndWrite } from "../../examples/character-model.ts";
import { draw, drawn, garlands, learnToDraw, penNetwork, picture } from "../../examples/mixture-density.ts";
import orthogonalRnn from "../../examples/orthogonal-rnn.ts";
import { learnToClassify, waves } from "../../examples/sequence-classification.ts";
import { forecastLastDays, temperatures } from "../../examples/time-series-forecast.ts";
import { createTrainer, type Device, openDevice } from "../../index.ts";
import { randomStream } from "../../train/random.ts";
import { copy } from "../../train/tasks/index.ts";
import { networkOfTask } from "../../train/tasks/network.ts";
import { slow } from "../support/some-of.ts";

let device: Device;
const random = (name: string) => randomStream(1, name).uniform;

beforeAll(async () => {
  device = await openDevice();
  vi.spyOn(console, "log").mockImplementation(() => {});
  vi.spyOn(console, "error").mockImplementation(() => {});
});

afterAll(() => device.destroy());

test("the character model learns a text and writes with its characters", async () => {
  const text = readFileSync(fileURLToPath(new URL("../../LICENSE", import.meta.url)), "utf8");
  const sizes = { units: 24, embed: 8, batch: 4, time: 16, epochs: 6 };
  const { losses, written } = await readAndWrite(device, text, sizes, 30);
  expect(losses[0]).toBeCloseTo(Math.log(new Set(text).size), 1);
  expect(losses.at(-1)).toBeLessThan(3.3);
  expect([...written].length).toBe(30);
  expect([...written].every((character) => text.includes(character))).toBe(true);
});

test("the forecast of temperatures is better than that tomorrow is as today", async () => {
  const { error, naive, predicted } = await forecastLastDays(device, temperatures(700, random("days")), 10, 16);
  expect(predicted.length).toBe(10);
  expect(error).toBeLessThan(0.6 * naive);
});

test("waves are classified by their form", async () => {
  const { before, after } = await learnToClassify(device, waves(160, random("waves")), 8);
  expect(before).toBeLessThan(0.7);
  expect(after).toBeGreaterThan(0.85);
});

test("the pen learns densities, and draws strokes of steps that it has seen", slow, async () => {
  const steps = garlands(40, random("garlands"));
  // Loops go up and down, so that a mean would go neither way.
  expect(new Set(steps.map(([, dy]) => Math.sign(Math.round(2 * dy)))).size).toBe(3);
  const pen = penNetwork(12, 2);
  const { losses, parameters } = await learnToDraw(device, steps, pen, 12);
  expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) - 1);
  const strokes = await draw(device, pen, parameters, 30, random("draw"));
  expect(strokes.length).toBe(30);
  expect(strokes.flat().every(Number.isFinite)).toBe(true);
  expect(picture(strokes)).toMatch(/^<svg .*<path d="M[-\d. LM]+" .*<\/svg>$/);
});

test("a step is drawn from its mixture", () => {
  // Two Gaussians, narrow: (1, 2) three times as likely as (-1, -2); the end is as good as sure.
  const output = [Math.log(3), 0, 1, -1, 2, -2, -9, -9, -9, -9, 0, 0, 20];
  const next = random("mixture");
  const steps = Array.from({ length: 400 }, () => drawn(output, next));
  const first = steps.filter(([dx]) => dx > 0);
  expect(Math.abs(first.length / 400 - 0.75)).toBeLessThan(0.07);
  for (const [dx, dy, ends] of steps) {
    expect(Math.abs(dx) - 1).toBeCloseTo(0, 2);
    expect(dy).toBeCloseTo(2 * dx, 2);
    expect(ends).toBe(1);
  }
  // Wide and correlated: 0.9 is tanh 1.472.
  const wide = Array.from({ length: 2000 }, () => drawn([0, 3, 5, 0, 0, 1.472, -20], next));
  const covariance = wide.reduce((total, [dx, dy]) => total + (dx - 3) * (dy - 5), 0) / 2000;
  expect(covariance).toBeCloseTo(0.9, 1);
  expect(wide.some(([, , ends]) => ends === 1)).toBe(false);
});

test("the orthogonal cell learns to copy over a gap", slow, async () => {
  const made = copy.batches(1, { batch: 16, time: 10, parameters: { length: 3, symbols: 3 } });
  const network = networkOfTask(copy, made, { cell: orthogonalRnn, units: 48, layers: 1, embed: 4 });
  const trainer = await createTrainer(device, network, { learningRate: 0.01, clipNorm: 1, seed: 1 });
  const score = async () => {
    const wrong = await copy.score?.(2, { batch: 1, time: 10, parameters: { length: 3, symbols: 3 } }, trainer.predict);
    return wrong?.["symbols that are wrong"] ?? Number.NaN;
  };
  expect(await score()).toBeGreaterThan(0.5);
  let step = 0;
  for (const batch of made.training) {
    trainer.learningRate = 0.01 * (1 - step / 150);
    await trainer.step(batch);
    step += 1;
    if (step === 149) break;
  }
  expect(await score()).toBeLessThan(0.02);
  trainer.destroy();
});
