/** @file The guard of the training step: after a number that is not finite, no step writes anything. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rnn } from "../../cells/rnn.ts";
import type { Cell } from "../../compiler/dsl/cell.ts";
import { type NdArray, scalar } from "../../compiler/graph/ndarray.ts";
import { square } from "../../compiler/ops/composed.ts";
import { add, mul, sub } from "../../compiler/ops/elementwise.ts";
import { sqrt } from "../../compiler/ops/transcendental.ts";
import { sum } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Device } from "../../devices/device.ts";
import { network } from "../../train/networks.ts";
import { adam, sgd } from "../../train/optimizers/gradient-descent.ts";
import type { Optimizer } from "../../train/optimizers/optimizer.ts";
import { trainingStep } from "../../train/training-step.ts";
import { devices } from "./devices.ts";
import { control, dataOf, numbers, partsOf, run, series, startOf, states, type Values } from "./steps.ts";

/** Moves every weight by 1 whatever its gradient. */
const regardless: Optimizer = {
  ...sgd(),
  update: ({ parameter }) => ({ parameter: add(parameter, 1), slots: {} }),
};

/** Adam's second slot is a mean of squares. */
const positive = (array: NdArray): NdArray => ({ ...array, data: array.data.map(Math.abs) });

for (const { name, open } of devices) {
  describe(name, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.destroy());

    const step = trainingStep(series, { optimizer: adam(), clipNorm: 1 });
    const inputs = (): Values => ({
      parameters: startOf(series),
      ...Object.fromEntries(step.slots.map((slot) => [slot, positive(numbers([step.arena.size], slot, 0.1))])),
      ...control,
      step: scalar(7),
      ...states(series, 2, 0.5),
      x: numbers([3, 2, 2], "x"),
      targets: numbers([3, 2, 2], "targets"),
    });
    const replaced = Object.keys(step.donate);

    test("lets a good step update everything", async () => {
      const given = inputs();
      const after = await run(device, step, given);
      for (const key of replaced.filter((key) => key !== "halted")) expect(after[key], key).not.toEqual(given[key]);
      expect(dataOf(after, "halted")).toEqual(Float64Array.of(0));
      expect(dataOf(after, "step")).toEqual(Float64Array.of(8));
      expect(dataOf(after, "metrics")[2]).toBe(1);
    });

    test.each([
      ["NaN", Number.NaN],
      ["infinity", Number.POSITIVE_INFINITY],
    ])("writes nothing if an input is %s, and nothing after that", async (_, bad) => {
      const good = inputs();
      const x = good.x as NdArray;
      const first = await run(device, step, {
        ...good,
        targets: { ...x, data: x.data.map((v, i) => (i === 5 ? bad : v)) },
      });
      expect(Number.isFinite(dataOf(first, "metrics")[0])).toBe(false);
      const next = Object.fromEntries(replaced.map((key) => [key, first[key] as NdArray]));
      const second = await run(device, step, { ...good, ...next });
      for (const after of [first, second]) {
        for (const key of replaced.filter((key) => key !== "halted"))
          expect(after[key]?.data, key).toEqual(good[key]?.data);
        expect(dataOf(after, "halted")).toEqual(Float64Array.of(1));
        expect(dataOf(after, "metrics")[2]).toBe(0);
      }
      expect(Number.isFinite(dataOf(second, "metrics")[0])).toBe(true);
    });

    test("detects a loss that is not finite with a finite gradient", async () => {
      const model = network({
        ...partsOf([rnn(2) as unknown as Cell]),
        loss: (output, targets) => add(sum(output), sum(targets as Tensor<"f32">)),
      });
      const step = trainingStep(model, { optimizer: sgd() });
      const parameters = startOf(model);
      const targets = numbers([2, 1, 2], "targets");
      const batch = { x: numbers([2, 1, 2], "x"), targets: { ...targets, data: targets.data.fill(1e38 * 4) } };
      const after = await run(device, step, { parameters, ...control, ...states(model, 1, 0), ...batch });
      expect(dataOf(after, "metrics")[0]).toBeGreaterThan(1e38);
      expect(Number.isFinite(dataOf(after, "metrics")[1])).toBe(true);
      expect(after.parameters?.data).toEqual(parameters.data);
      expect(dataOf(after, "halted")).toEqual(Float64Array.of(1));
    });

    const overflows = (number: Tensor<"f32">) => mul(add(number, 3e38), 10);
    test.each<[string, Optimizer]>([
      ["a weight", { ...sgd(), update: ({ parameter }) => ({ parameter: overflows(parameter), slots: {} }) }],
      [
        "a number that the optimizer keeps",
        {
          ...{ name: "swelling", slots: ["total"] },
          update: ({ parameter, slots }) => ({ parameter, slots: { total: overflows(slots.total as Tensor<"f32">) } }),
        },
      ],
    ])("detects an update that makes %s infinite, with finite loss and gradient", async (_, optimizer) => {
      const step = trainingStep(series, { optimizer });
      const names = Object.keys(step.donate);
      const total = numbers([step.arena.size], "total");
      const wanted = [...names, "x", "targets", "learningRate"];
      const given = Object.fromEntries(
        Object.entries<NdArray>({ ...inputs(), "slots/total": total }).filter(([name]) => wanted.includes(name)),
      );
      const after = await run(device, step, given);
      const [loss, norm, applied] = dataOf(after, "metrics");
      expect([loss, norm].every(Number.isFinite)).toBe(true);
      expect(applied).toBe(0);
      for (const key of names.filter((name) => name !== "halted"))
        expect(after[key]?.data, key).toEqual(given[key]?.data);
      expect(dataOf(after, "halted")).toEqual(Float64Array.of(1));
    });

    test("detects a gradient that is not finite with a finite loss", async () => {
      const zero = (output: Tensor<"f32">) => sum(square(sub(output, output)));
      const model = network({
        ...partsOf([rnn(2) as unknown as Cell]),
        // sqrt has an infinite slope at 0, which times 0 is NaN.
        loss: (output) => mul(sqrt(zero(output)), 1),
      });
      // One whose weights would be finite all the same.
      const step = trainingStep(model, { optimizer: regardless });
      const parameters = startOf(model);
      const batch = { x: numbers([2, 1, 2], "x"), targets: numbers([2, 1, 2], "targets") };
      const after = await run(device, step, { parameters, ...control, ...states(model, 1, 0), ...batch });
      expect(dataOf(after, "metrics")[0]).toBe(0);
      expect(Number.isFinite(dataOf(after, "metrics")[1])).toBe(false);
      expect(after.parameters?.data).toEqual(parameters.data);
      expect(dataOf(after, "halted")).toEqual(Float64Array.of(1));
    });
  });
}
