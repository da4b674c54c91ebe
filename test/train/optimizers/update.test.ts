/** @file Updates: accumulation, clipping, schedules and averages, in one submit and behind the guard. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { at } from "../../../compiler/graph/errors.ts";
import { type NdArray, ndarray, scalar } from "../../../compiler/graph/ndarray.ts";
import { verify } from "../../../compiler/ops/verify.ts";
import type { Device } from "../../../devices/device.ts";
import type { Batch } from "../../../train/data/batches.ts";
import { rmsProp } from "../../../train/optimizers/adaptive.ts";
import { adam, adamW, momentum, sgd } from "../../../train/optimizers/gradient-descent.ts";
import { linearDecay, stepDecay, warmUp } from "../../../train/optimizers/schedules.ts";
import { averagedParameters, withAverage } from "../../../train/optimizers/weight-average.ts";
import { matrices } from "../../../train/optimizers/weight-decay.ts";
import { type Checkpoint, createTrainer, type Trainer, type TrainerOptions } from "../../../train/trainer.ts";
import { trainingStep } from "../../../train/training-step.ts";
import { devices, difference } from "../devices.ts";
import { control, dataOf, numbers, revealing, run, series, startOf, states } from "../steps.ts";

const [time, rows, features] = [3, 6, 2] as const;
const whole = {
  x: numbers([time, rows, features], "x"),
  targets: numbers([time, rows, features], "targets"),
  fresh: true,
};

/** Some rows of a batch [T, B, F], as a batch. */
function rowsOf({ x, targets }: Batch, from: number, to: number): Batch {
  const cut = ({ data }: NdArray) =>
    ndarray(
      [time, to - from, features],
      [...data].filter((_, i) => {
        const row = Math.floor(i / features) % rows;
        return row >= from && row < to;
      }),
    );
  return { x: cut(x), targets: cut(targets), fresh: true };
}

/** A batch of other numbers for each number. */
const batchOf = (i: number): Batch => ({
  x: numbers([time, 2, features], `x${i}`),
  targets: numbers([time, 2, features], `targets${i}`),
  fresh: true,
});

const all = (parameters: Readonly<Record<string, NdArray>>) =>
  Object.values(parameters).flatMap(({ data }) => [...data]);

/** A checkpoint without the carried state, which a fresh batch sets to zeros. */
async function kept(trainer: Trainer): Promise<Checkpoint> {
  return Object.fromEntries(Object.entries(await trainer.checkpoint()).filter(([key]) => !key.startsWith("state/")));
}

for (const { name, open, tolerance } of devices) {
  describe(name, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.destroy());

    /** Weights after each batch. */
    const weightsAfter = async (options: TrainerOptions, batches: readonly Batch[]) => {
      const trainer = await createTrainer(device, series, { seed: 3, learningRate: 0.1, ...options });
      const weights: number[][] = [all(await trainer.parameters())];
      for (const batch of batches) {
        expect((await trainer.step(batch)).finite).toBe(true);
        weights.push(all(await trainer.parameters()));
      }
      trainer.destroy();
      return weights;
    };
    const last = <T>(list: readonly T[]): T => at(list, list.length - 1);

    test("accumulation over three batches equals one batch of three times the size", async () => {
      const parts = [0, 2, 4].map((from) => rowsOf(whole, from, from + 2));
      for (const options of [
        { optimizer: adam(), clipNorm: 0.1 },
        { optimizer: momentum(), clipValue: 0.05 },
      ]) {
        const atOnce = await weightsAfter(options, [whole, whole]);
        const inParts = await weightsAfter({ ...options, accumulate: 3 }, [...parts, ...parts]);
        expect(inParts.slice(0, 3)).toEqual([inParts[0], inParts[0], inParts[0]]);
        expect(inParts[4]).toEqual(inParts[3]);
        for (const [i, update] of [3, 6].entries()) {
          const [moved, expected] = [at(inParts, update), at(atOnce, i + 1)].map((w) =>
            w.map((x, k) => x - at(at(atOnce, 0), k)),
          );
          expect(difference(moved ?? [], expected ?? [])).toBeLessThan(Math.max(10 * tolerance, 1e-10));
        }
      }
    });

    test("the reported norm is that of the accumulated gradient, and the update resets the slot", async () => {
      const step = trainingStep(series, { optimizer: revealing, accumulate: 2 });
      verify(step.graph);
      expect(step.slots).toEqual(["slots/accumulated", "slots/accumulatedWeight"]);
      const parameters = startOf(series);
      const empty = { ...parameters, data: parameters.data.map(() => 0) };
      const batch = { x: whole.x, targets: whole.targets };
      const given = { parameters, ...control, ...states(series, rows, 0), ...batch };
      const none = { "slots/accumulated": empty, "slots/accumulatedWeight": scalar(0) };
      const first = await run(device, step, { ...given, ...none });
      expect(first.parameters?.data).toEqual(parameters.data);
      const mean = dataOf(first, "slots/accumulated");
      expect(difference([Math.hypot(...mean)], [dataOf(first, "metrics")[1] ?? 0])).toBeLessThan(tolerance);
      // The loss is a mean over the rows of all steps.
      expect(dataOf(first, "slots/accumulatedWeight")[0]).toBe(time * rows);
      const slots = Object.fromEntries(step.slots.map((slot) => [slot, first[slot] as NdArray]));
      const second = await run(device, step, { ...given, ...slots, step: scalar(1) });
      // The optimizer shows the gradient as parameters: that of one, as both batches are one.
      expect(difference(dataOf(second, "parameters"), mean)).toBeLessThan(tolerance);
      for (const slot of ["slots/accumulated", "slots/accumulatedWeight"])
        expect(new Set(dataOf(second, slot))).toEqual(new Set([0]));
    });

    test("a checkpoint from before batches were weighted resumes only right after an update", async () => {
      const trainer = await createTrainer(device, series, { accumulate: 2, seed: 3 });
      const older = async () => {
        const { "slots/accumulatedWeight": _, ...rest } = await kept(trainer);
        return rest;
      };
      await trainer.step(batchOf(0));
      const between = await older();
      await trainer.step(batchOf(1));
      const updated = await older();
      const before = await kept(trainer);
      trainer.restore(updated);
      expect(await kept(trainer)).toEqual(before);
      expect(() => trainer.restore(between)).toThrow("slots/accumulatedWeight is missing or has another shape");
      trainer.destroy();
    });

    test("a batch that is not finite leaves what was accumulated, and no later batch changes anything", async () => {
      const options = { optimizer: withAverage(adam()), accumulate: 3, seed: 3 };
      const trainer = await createTrainer(device, series, options);
      for (const i of [0, 1, 2, 3]) await trainer.step(batchOf(i));
      const before = await kept(trainer);
      const bad = batchOf(4);
      const targets = { ...bad.targets, data: bad.targets.data.map((x, i) => (i === 3 ? Number.NaN : x)) };
      expect((await trainer.step({ ...bad, targets })).finite).toBe(false);
      for (const i of [5, 6, 7]) expect((await trainer.step(batchOf(i))).finite).toBe(false);
      expect(await kept(trainer)).toEqual(before);
      expect(Object.keys(before)).toEqual([
        "parameters",
        ...["mean", "variance", "average", "accumulated", "accumulatedWeight"].map((slot) => `slots/${slot}`),
        "step",
      ]);
      trainer.destroy();
    });

    test("training resumes bit for bit from a checkpoint between two updates: sums, averages and the schedule", async () => {
      const options: TrainerOptions = {
        optimizer: withAverage(adamW({ decays: matrices, weightDecay: 0.5 }), { decay: 0.5 }),
        accumulate: 2,
        rateSchedule: warmUp(2, linearDecay({ updates: 3 })),
      };
      const [one, other] = [await createTrainer(device, series, options), await createTrainer(device, series, options)];
      for (const i of [0, 1, 2]) await one.step(batchOf(i));
      other.restore(await one.checkpoint());
      for (const trainer of [one, other]) for (const i of [3, 4, 5, 6]) await trainer.step(batchOf(i));
      expect(await other.checkpoint()).toEqual(await one.checkpoint());
      one.destroy();
      other.destroy();
    });

    test("the schedule's factor multiplies the learning rate, which can still be set at any time", async () => {
      const batches = [0, 1, 2, 3].map(batchOf);
      const plain = await createTrainer(device, series, { optimizer: sgd(), seed: 3 });
      const scheduled = await createTrainer(device, series, {
        optimizer: sgd(),
        seed: 3,
        rateSchedule: warmUp(2, stepDecay({ every: 1, factor: 0.5 })),
      });
      for (const [i, factor] of [0.5, 1, 1, 0.5].entries()) {
        const rate = i < 2 ? 0.1 : 0.04;
        scheduled.learningRate = rate;
        plain.learningRate = rate * factor;
        for (const trainer of [plain, scheduled]) await trainer.step(at(batches, i));
      }
      const [expected, actual] = [all(await plain.parameters()), all(await scheduled.parameters())];
      expect(difference(actual, expected)).toBeLessThan(Math.max(tolerance / 100, 1e-12));
      plain.destroy();
      scheduled.destroy();
    });

    test("with accumulation the schedule counts updates, not batches", async () => {
      const rateSchedule = stepDecay({ every: 1, factor: 0.5 });
      const weights = await weightsAfter(
        { optimizer: sgd(), accumulate: 2, rateSchedule },
        Array<Batch>(4).fill(batchOf(1)),
      );
      const single = await weightsAfter({ optimizer: sgd(), rateSchedule }, Array<Batch>(2).fill(batchOf(1)));
      expect(difference(last(weights), last(single))).toBeLessThan(Math.max(tolerance / 10, 1e-12));
    });

    test("clipping by value bounds each element of the gradient", async () => {
      const parameters = startOf(series);
      const given = { parameters, ...control, ...states(series, rows, 0), x: whole.x, targets: whole.targets };
      const free = await run(device, trainingStep(series, { optimizer: revealing }), given);
      const clipped = await run(device, trainingStep(series, { optimizer: revealing, clipValue: 0.1 }), given);
      const bounded = dataOf(free, "parameters").map((g) => Math.min(0.1, Math.max(-0.1, g)));
      expect(dataOf(free, "parameters").some((g) => Math.abs(g) > 0.1)).toBe(true);
      expect(difference(dataOf(clipped, "parameters"), bounded)).toBeLessThan(tolerance);
    });

    test("the average of the weights equals its closed form", async () => {
      const [decay, batches] = [0.75, [0, 1, 2, 3, 4].map(batchOf)];
      const trainer = await createTrainer(device, series, { optimizer: withAverage(rmsProp(), { decay }), seed: 3 });
      expect(await averagedParameters(trainer)).toEqual(await trainer.parameters());
      const weights: number[][] = [];
      for (const batch of batches) {
        await trainer.step(batch);
        weights.push(all(await trainer.parameters()));
      }
      const n = weights.length;
      const expected = at(weights, 0).map((_, k) =>
        weights.reduce((sum, w, i) => sum + (i === 0 ? 1 : 1 - decay) * decay ** (n - 1 - i) * at(w, k), 0),
      );
      const averaged = await averagedParameters(trainer);
      expect(difference(all(averaged), expected)).toBeLessThan(Math.max(tolerance / 10, 1e-12));
      expect(difference(all(averaged), last(weights))).toBeGreaterThan(1e-3);
      // Training is as it would be without; other weights can be evaluated.
      const without = await weightsAfter({ optimizer: rmsProp(), learningRate: 1e-3 }, batches);
      expect(last(weights)).toEqual(last(without));
      const held = [batchOf(9)];
      const loss = await trainer.evaluate(held, { parameters: averaged });
      expect(loss).not.toBe(await trainer.evaluate(held));
      trainer.setParameters(averaged);
      expect(await trainer.evaluate(held)).toBe(loss);
      trainer.destroy();
    });

    test("what cannot be is refused", async () => {
      const refused = (options: TrainerOptions) => expect(createTrainer(device, series, options)).rejects;
      await refused({ clipValue: 0 }).toThrow("clipValue is 0; expected a number above 0");
      await refused({ clipValue: 1, clipNorm: 1 }).toThrow("clipNorm and clipValue cannot be combined");
      await refused({ accumulate: 1.5 }).toThrow("accumulate is 1.5; expected a whole number of batches above 0");
      const plain = await createTrainer(device, series);
      await expect(averagedParameters(plain)).rejects.toThrow("averagedParameters: the trainer has no average");
      plain.destroy();
    });
  });
}
