/** @file Every optimizer against its equations, written out as a loop over float64 numbers; and clipping. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { type NdArray, ndarray, scalar, zeros } from "../../compiler/graph/ndarray.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { clipByGlobalNorm, globalNorm } from "../../train/clipping.ts";
import type { Device } from "../../train/device.ts";
import { adam, adamW, momentum, type Optimizer, sgd } from "../../train/optimizers.ts";
import { devices, difference, runOnce } from "./devices.ts";

type Float = Tensor<"f32">;

const start = [0.5, -1, 2, 0, 3.25, -0.125, 1e-3].map(Math.fround);
const rate = Math.fround(0.05);
const steps = 5;

/** A gradient that changes with the parameter and the step, of sizes from 1e-6 to 1e3. */
const gradientOf = (p: readonly number[], step: number) =>
  p.map((x, i) => Math.fround((x - 0.3 * i + 0.1 * step) * 10 ** (i - 4)));

type Rule = (p: number[], gradient: (p: readonly number[], step: number) => number[]) => void;

const rules: readonly [optimizer: Optimizer, loop: Rule][] = [
  [
    sgd(),
    (p, gradient) => {
      for (let t = 1; t <= steps; t++) {
        const g = gradient(p, t);
        for (let i = 0; i < p.length; i++) p[i] = at(p, i) - rate * at(g, i);
      }
    },
  ],
  [
    momentum({ beta: 0.8 }),
    (p, gradient) => {
      const v = p.map(() => 0);
      for (let t = 1; t <= steps; t++) {
        const g = gradient(p, t);
        for (let i = 0; i < p.length; i++) {
          v[i] = 0.8 * at(v, i) + at(g, i);
          p[i] = at(p, i) - rate * at(v, i);
        }
      }
    },
  ],
  [adam(), adamLoop({ beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0 })],
  [adam({ beta1: 0.5, beta2: 0.95, epsilon: 1e-3 }), adamLoop({ beta1: 0.5, beta2: 0.95, epsilon: 1e-3, decay: 0 })],
  [adam({ beta1: 0 }), adamLoop({ beta1: 0, beta2: 0.999, epsilon: 1e-8, decay: 0 })],
  [adamW({ weightDecay: 0.1 }), adamLoop({ beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.1 })],
];

function adamLoop({
  beta1,
  beta2,
  epsilon,
  decay,
}: {
  beta1: number;
  beta2: number;
  epsilon: number;
  decay: number;
}): Rule {
  return (p, gradient) => {
    const [m, v] = [p.map(() => 0), p.map(() => 0)];
    for (let t = 1; t <= steps; t++) {
      const g = gradient(p, t);
      for (let i = 0; i < p.length; i++) {
        m[i] = beta1 * at(m, i) + (1 - beta1) * at(g, i);
        v[i] = beta2 * at(v, i) + (1 - beta2) * at(g, i) ** 2;
        const mHat = at(m, i) / (1 - beta1 ** t);
        const vHat = at(v, i) / (1 - beta2 ** t);
        p[i] = at(p, i) * (1 - rate * decay) - (rate * mHat) / (Math.sqrt(vHat) + epsilon);
      }
    }
  };
}

function updateGraph(optimizer: Optimizer, size: number) {
  const flat = { dtype: "f32", shape: [size] } as const;
  const inputs = [
    { name: "parameter", ...flat },
    { name: "gradient", ...flat },
    ...optimizer.slots.map((name) => ({ name, ...flat })),
    { name: "step", dtype: "f32", shape: [] } as const,
    { name: "learningRate", dtype: "f32", shape: [] } as const,
  ];
  return traceGraph(optimizer.name, inputs, (tensors) => {
    const named = Object.fromEntries(inputs.map(({ name }, i) => [name, at(tensors, i) as Float]));
    const { parameter, gradient, step, learningRate } = named as Record<
      "parameter" | "gradient" | "step" | "learningRate",
      Float
    >;
    const result = optimizer.update({ parameter, gradient, slots: named, step, learningRate });
    return [result.parameter, ...optimizer.slots.map((name) => result.slots[name] as Float)];
  });
}

for (const { name, open, tolerance } of devices) {
  describe(name, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.destroy());

    test.each(rules)("$name equals its equations after five steps (%#)", async (optimizer, loop) => {
      const expected = [...start];
      loop(expected, gradientOf);
      const graph = updateGraph(optimizer, start.length);
      let parameter = ndarray([start.length], start);
      let slots: NdArray[] = optimizer.slots.map(() => zeros([start.length]));
      for (let step = 1; step <= steps; step++) {
        const [next, ...nextSlots] = await runOnce(device, graph, {
          parameter,
          gradient: ndarray([start.length], gradientOf([...parameter.data], step)),
          ...Object.fromEntries(optimizer.slots.map((slot, i) => [slot, at(slots, i)])),
          step: scalar(step),
          learningRate: scalar(rate),
        });
        parameter = next ?? parameter;
        slots = nextSlots;
      }
      const moved = (p: ArrayLike<number>) => start.map((x, i) => (p[i] ?? Number.NaN) - x);
      // The largest change is about the rate; gradients rounded to f32 differ by an ulp where parameters do.
      expect(difference(moved(parameter.data), moved(expected))).toBeLessThan(Math.max(tolerance, 1e-7));
    });

    test("Adam's bias correction stays exact from the first step to the ten-thousandth", async () => {
      const graph = updateGraph(adam(), 1);
      for (const step of [1, 2, 50, 99, 100, 101, 1000, 10_000]) {
        const inputs = { parameter: zeros([1]), gradient: ndarray([1], [0.5]), mean: zeros([1]), variance: zeros([1]) };
        const [result] = await runOnce(device, graph, { ...inputs, step: scalar(step), learningRate: scalar(1) });
        const expected = -(0.05 / (1 - 0.9 ** step)) / (Math.sqrt(0.00025 / (1 - 0.999 ** step)) + 1e-8);
        expect(difference(result?.data ?? [], [expected]), `step ${step}`).toBeLessThan(Math.max(tolerance, 1e-12));
      }
    });

    const clipGraph = traceGraph(
      "clip",
      [
        { name: "a", dtype: "f32", shape: [2, 2] },
        { name: "b", dtype: "f32", shape: [3] },
      ],
      ([a, b]) => {
        const norm = globalNorm([a as Float, b as Float]);
        return [norm, clipByGlobalNorm(a as Float, norm, 2), clipByGlobalNorm(b as Float, norm, 2)];
      },
    );
    const clip = async (a: number[], b: number[]) => {
      const values = await runOnce(device, clipGraph, { a: ndarray([2, 2], a), b: ndarray([3], b) });
      return values.map(({ data }) => [...data]) as [number[], number[], number[]];
    };

    test("a gradient above the limit is scaled to it, all parts by one factor", async () => {
      const [norm, a, b] = await clip([1, 2, 3, 4], [5, 6, 3]);
      expect(norm).toEqual([10]);
      expect(difference(a, [0.2, 0.4, 0.6, 0.8])).toBeLessThan(Math.max(tolerance, 1e-7));
      expect(difference(b, [1, 1.2, 0.6])).toBeLessThan(Math.max(tolerance, 1e-7));
    });

    test("a gradient below the limit, or of zeros, is left bit for bit", async () => {
      const small = [0.1, -0.2, 0.3, 0.7].map(Math.fround);
      const [, a] = await clip(small, [0.1, 0, 0]);
      expect(a).toEqual(small);
      expect(await clip([0, 0, 0, 0], [0, 0, 0])).toEqual([[0], [0, 0, 0, 0], [0, 0, 0]]);
    });
  });
}

test.each([
  [() => momentum({ beta: 1 }), "momentum: beta is 1; expected 0 or more, below 1"],
  [() => adam({ beta2: -0.1 }), "adam: beta2 is -0.1; expected 0 or more, below 1"],
  [() => adam({ epsilon: 0 }), "adam: epsilon is 0; expected a number above 0"],
  [() => adamW({ weightDecay: Number.NaN }), "adamW: weightDecay is NaN; expected a number of 0 or more"],
])("an option out of range is refused (%#)", (make, message) => {
  expect(make).toThrow(message);
});
