/** @file Schedules at chosen updates on every device, and the plateau's rules. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scalar } from "../../../compiler/graph/ndarray.ts";
import { traceGraph } from "../../../compiler/ops/trace.ts";
import type { Tensor } from "../../../compiler/trace/tensor.ts";
import type { Device, Executable } from "../../../devices/device.ts";
import { plateau } from "../../../train/optimizers/plateau.ts";
import {
  constantRate,
  cosineDecay,
  factorsOf,
  linearDecay,
  type Schedule,
  stepDecay,
  warmUp,
} from "../../../train/optimizers/schedules.ts";
import { devices } from "../devices.ts";

/** Schedule, and factors at updates. */
const cases: readonly [name: string, schedule: Schedule, factors: Readonly<Record<number, number>>][] = [
  ["constant", constantRate, { 1: 1, 1000: 1 }],
  ["linear", linearDecay({ updates: 4 }), { 1: 1, 2: 0.75, 3: 0.5, 4: 0.25, 5: 0, 6: 0, 1000: 0 }],
  ["linear to a fifth", linearDecay({ updates: 10, to: 0.2 }), { 1: 1, 6: 0.6, 11: 0.2, 99: 0.2 }],
  [
    "cosine",
    cosineDecay({ updates: 100 }),
    { 1: 1, 26: (1 + Math.SQRT1_2) / 2, 51: 0.5, 76: (1 - Math.SQRT1_2) / 2, 101: 0, 5000: 0 },
  ],
  ["cosine to a tenth", cosineDecay({ updates: 2, to: 0.1 }), { 1: 1, 2: 0.55, 3: 0.1, 4: 0.1 }],
  ["steps", stepDecay({ every: 3 }), { 1: 1, 3: 1, 4: 0.1, 6: 0.1, 7: 0.01, 10: 0.001 }],
  ["steps of a half", stepDecay({ every: 1, factor: 0.5 }), { 1: 1, 2: 0.5, 3: 0.25, 11: 2 ** -10 }],
  ["warm-up", warmUp(4), { 1: 0.25, 2: 0.5, 3: 0.75, 4: 1, 5: 1, 100: 1 }],
  ["warm-up, then linear", warmUp(2, linearDecay({ updates: 4 })), { 1: 0.5, 2: 1, 3: 1, 4: 0.75, 7: 0 }],
  [
    "warm-up, then steps",
    warmUp(10, stepDecay({ every: 7, factor: 0.2 })),
    { 5: 0.5, 10: 1, 17: 1, 18: 0.2, 24: 0.2, 25: 0.04 },
  ],
];

for (const { name, open, tolerance } of devices) {
  describe(name, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.destroy());

    const at = async (executable: Executable, update: number) => {
      const [output] = executable.run({ update: scalar(update) });
      return (await output?.read())?.data[0] ?? Number.NaN;
    };

    test.each(cases)("%s", async (_, schedule, factors) => {
      const graph = traceGraph("schedule", [{ name: "update", dtype: "f32", shape: [] }], ([update]) => [
        schedule(update as Tensor<"f32">),
      ]);
      const executable = await device.compile(graph);
      for (const [update, factor] of Object.entries(factors))
        expect(Math.abs((await at(executable, Number(update))) - factor), `update ${update}`).toBeLessThan(
          Math.max(1e-12, tolerance / 100),
        );
      executable.destroy();
    });

    test("steps fall at the very update, for every length of a step", async () => {
      // A quotient that a device rounds down would put the fall an update too late.
      for (const every of [3, 7, 49, 125]) {
        const graph = traceGraph("schedule", [{ name: "update", dtype: "f32", shape: [] }], ([update]) => [
          stepDecay({ every, factor: 0.5 })(update as Tensor<"f32">),
        ]);
        const executable = await device.compile(graph);
        const falls = [1, 2, 3, 11].map((k) => k * every);
        const before = await Promise.all(falls.map((update) => at(executable, update)));
        const after = await Promise.all(falls.map((update) => at(executable, update + 1)));
        for (const [i, factor] of before.entries()) expect((after[i] ?? 0) / factor, `${every}`).toBeCloseTo(0.5, 4);
        executable.destroy();
      }
    });
  });
}

test("factors can be had for a plot", () => {
  expect(factorsOf(warmUp(2, linearDecay({ updates: 2 })), 5)).toEqual([0.5, 1, 1, 0.5, 0]);
});

describe("plateau", () => {
  const factorsFor = (options: Parameters<typeof plateau>[0], losses: readonly number[]) => {
    const { observe } = plateau(options);
    return losses.map(observe);
  };

  test("falls after one more than `patience` losses in a row without an improvement", () => {
    const options = { factor: 0.5, patience: 2 };
    expect(factorsFor(options, [3, 2, 2, 2, 2, 2, 2, 2])).toEqual([1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]);
    expect(factorsFor(options, [3, 2, 2, 2, 1, 1, 1, 1])).toEqual([1, 1, 1, 1, 1, 1, 1, 0.5]);
  });

  test("wants improvements of a part of the best loss, also below 0", () => {
    const options = { factor: 0.5, patience: 0, threshold: 0.1 };
    expect(factorsFor(options, [10, 9.5, 8.9])).toEqual([1, 0.5, 0.5]);
    expect(factorsFor(options, [-10, -10.5, -11.2])).toEqual([1, 0.5, 0.5]);
  });

  test("counts nothing while it cools down, falls no further than its lowest, and takes NaN for no improvement", () => {
    const factor = { factor: 0.5, patience: 0 };
    expect(factorsFor({ ...factor, cooldown: 2 }, [1, 1, 1, 1, 1])).toEqual([1, 0.5, 0.5, 0.5, 0.25]);
    expect(factorsFor({ ...factor, lowest: 0.3 }, [1, 1, 1])).toEqual([1, 0.5, 0.3]);
    expect(factorsFor(factor, [1, Number.NaN])).toEqual([1, 0.5]);
  });
});

test.each([
  [() => linearDecay({ updates: 0 }), "linearDecay: updates is 0; expected a whole number above 0"],
  [() => cosineDecay({ updates: 5, to: 2 }), "cosineDecay: to is 2; expected a number from 0 to 1"],
  [() => stepDecay({ every: 0.5 }), "stepDecay: every is 0.5; expected a whole number above 0"],
  [() => stepDecay({ every: 5, factor: 1 }), "stepDecay: factor is 1; expected a number above 0 and below 1"],
  [() => warmUp(-1), "warmUp: updates is -1; expected a whole number above 0"],
  [() => plateau({ patience: -1 }), "plateau: patience is -1; expected a whole number of 0 or more"],
  [() => plateau({ factor: 2 }), "plateau: factor is 2; expected a number above 0 and below 1"],
  [() => plateau({ lowest: 1 }), "plateau: lowest is 1; expected 0 or more, below 1"],
])("an option out of range is refused (%#)", (make, message) => {
  expect(make).toThrow(message);
});
