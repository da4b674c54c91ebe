/** @file Every optimizer against its equations, written out as a loop over float64 numbers; and clipping. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { at } from "../../../compiler/graph/errors.ts";
import { type NdArray, ndarray, scalar, zeros } from "../../../compiler/graph/ndarray.ts";
import { traceGraph } from "../../../compiler/ops/trace.ts";
import type { Tensor } from "../../../compiler/trace/tensor.ts";
import type { Device } from "../../../devices/device.ts";
import { type Arena, arenaOf } from "../../../train/arena.ts";
import { adagrad, lion, rmsProp } from "../../../train/optimizers/adaptive.ts";
import { clipByGlobalNorm, clipByValue, globalNorm } from "../../../train/optimizers/clipping.ts";
import { adam, adamW, momentum, sgd } from "../../../train/optimizers/gradient-descent.ts";
import type { Optimizer } from "../../../train/optimizers/optimizer.ts";
import { matrices, withWeightDecay } from "../../../train/optimizers/weight-decay.ts";
import { devices, difference, runOnce } from "../devices.ts";

type Float = Tensor<"f32">;

const start = [0.5, -1, 2, 0, 3.25, -0.125, 1e-3].map(Math.fround);
const rate = Math.fround(0.05);
const steps = 5;

/** A gradient that changes with the parameter and turns with the step, of sizes from 1e-6 to 1e3. */
const gradientOf = (p: readonly number[], step: number) =>
  p.map((x, i) => Math.fround((x - 0.3 * i + 0.1 * step) * Math.cos(step * (i + 1)) * 10 ** (i - 4)));

/** Updates parameters in place, once for each step; `each` walks over the elements. */
type Rule = (p: number[], gradient: (p: readonly number[], step: number) => number[]) => void;

/** What a rule keeps of one element from step to step; all start at zero. */
type Memory = Record<"a" | "b" | "c", number>;

/** A rule by what it makes of one element: from p, g, the step's number and its memory to the new p. */
function elementwise(next: (p: number, g: number, kept: Memory, t: number, i: number) => number): Rule {
  return (p, gradient) => {
    const memories = p.map((): Memory => ({ a: 0, b: 0, c: 0 }));
    for (let t = 1; t <= steps; t++) {
      const g = gradient(p, t);
      for (let i = 0; i < p.length; i++) p[i] = next(at(p, i), at(g, i), at(memories, i), t, i);
    }
  };
}

/** Kingma & Ba 2015, algorithm 1, with the decay of Loshchilov & Hutter 2019, algorithm 2. */
function adamRule({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, decay = (_: number) => 0 }): Rule {
  return elementwise((p, g, kept, t, i) => {
    kept.a = beta1 * kept.a + (1 - beta1) * g;
    kept.b = beta2 * kept.b + (1 - beta2) * g ** 2;
    const [mean, variance] = [kept.a / (1 - beta1 ** t), kept.b / (1 - beta2 ** t)];
    return p * (1 - rate * decay(i)) - (rate * mean) / (Math.sqrt(variance) + epsilon);
  });
}

/** The equations of torch.optim.SGD with momentum, as its documentation states them. */
function momentumRule({ beta = 0.9, nesterov = false, decay = 0, weightDecay = 0 }): Rule {
  return elementwise((p, gradient, kept) => {
    const g = gradient + weightDecay * p;
    kept.a = beta * kept.a + g;
    return p * (1 - rate * decay) - rate * (nesterov ? g + beta * kept.a : kept.a);
  });
}

/** The equations of torch.optim.RMSprop, as its documentation states them. */
function rmsPropRule({ decay = 0.99, epsilon = 1e-8, centred = false, momentum = 0 }): Rule {
  return elementwise((p, g, kept) => {
    kept.a = decay * kept.a + (1 - decay) * g ** 2;
    kept.b = decay * kept.b + (1 - decay) * g;
    const variance = centred ? kept.a - kept.b ** 2 : kept.a;
    kept.c = momentum * kept.c + g / (Math.sqrt(variance) + epsilon);
    return p - rate * kept.c;
  });
}

/** Chen et al. 2023, algorithm 2. */
function lionRule({ beta1 = 0.9, beta2 = 0.99, decay = 0 }): Rule {
  return elementwise((p, g, kept) => {
    const direction = Math.sign(beta1 * kept.a + (1 - beta1) * g);
    kept.a = beta2 * kept.a + (1 - beta2) * g;
    return p - rate * (direction + decay * p);
  });
}

/** The parameters as a matrix, a bias and another matrix, the first of which only `heads` leaves out. */
const arena = arenaOf([
  { path: "body/kernel", shape: [2, 1] },
  { path: "body/bias", shape: [3] },
  { path: "head/kernel", shape: [1, 2] },
]);
const isMatrix = (i: number) => i < 2 || i >= 5;
const heads = (path: string) => path.startsWith("head/");

const rules: readonly [optimizer: Optimizer, loop: Rule][] = [
  [sgd(), elementwise((p, g) => p - rate * g)],
  [momentum({ beta: 0.8 }), momentumRule({ beta: 0.8 })],
  [momentum({ nesterov: true }), momentumRule({ nesterov: true })],
  [adam(), adamRule({})],
  [adam({ beta1: 0.5, beta2: 0.95, epsilon: 1e-3 }), adamRule({ beta1: 0.5, beta2: 0.95, epsilon: 1e-3 })],
  [adam({ beta1: 0 }), adamRule({ beta1: 0 })],
  [adamW({ weightDecay: 0.1 }), adamRule({ decay: () => 0.1 })],
  [adamW({ weightDecay: 0.1, decays: matrices }), adamRule({ decay: (i) => (isMatrix(i) ? 0.1 : 0) })],
  [adamW({ weightDecay: 0.1, decays: heads }), adamRule({ decay: (i) => (i >= 5 ? 0.1 : 0) })],
  [rmsProp(), rmsPropRule({})],
  [rmsProp({ decay: 0.9, centred: true, epsilon: 1e-4 }), rmsPropRule({ decay: 0.9, centred: true, epsilon: 1e-4 })],
  [rmsProp({ momentum: 0.9 }), rmsPropRule({ momentum: 0.9 })],
  [
    rmsProp({ centred: true, momentum: 0.5, epsilon: 1e-4 }),
    rmsPropRule({ centred: true, momentum: 0.5, epsilon: 1e-4 }),
  ],
  [
    adagrad(),
    elementwise((p, g, kept) => {
      kept.a += g ** 2;
      return p - (rate * g) / (Math.sqrt(kept.a) + 1e-10);
    }),
  ],
  [
    adagrad({ initial: 0.1, epsilon: 1e-6 }),
    elementwise((p, g, kept, t) => {
      kept.a = (t === 1 ? 0.1 : kept.a) + g ** 2;
      return p - (rate * g) / (Math.sqrt(kept.a) + 1e-6);
    }),
  ],
  [lion(), lionRule({})],
  [lion({ beta1: 0.5, beta2: 0.8 }), lionRule({ beta1: 0.5, beta2: 0.8 })],
  [withWeightDecay(lion(), { rate: 0.3 }), lionRule({ decay: 0.3 })],
  [withWeightDecay(momentum(), { rate: 0.2 }), momentumRule({ decay: 0.2 })],
  [withWeightDecay(momentum(), { rate: 0.2, through: "gradient" }), momentumRule({ weightDecay: 0.2 })],
];

function updateGraph(optimizer: Optimizer, parameterArena: Arena) {
  const { size } = parameterArena;
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
    const result = optimizer.update({ parameter, gradient, slots: named, step, learningRate, arena: parameterArena });
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
      const graph = updateGraph(optimizer, arena);
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

    test.each([
      sgd(),
      momentum({ nesterov: true }),
      adam(),
      adamW({ weightDecay: 0 }),
      rmsProp({ decay: 0.5, centred: true, momentum: 0.5 }),
      adagrad(),
      lion(),
    ])(
      "$name leaves alone what has no gradient, and stays finite where a gradient never changes",
      async (optimizer) => {
        const graph = updateGraph(optimizer, arena);
        const gradient = ndarray([start.length], [0, 0.1, 0.3, -0.7, 1.1, 1e-3, -13.7].map(Math.fround));
        let parameter = ndarray([start.length], start);
        let slots: NdArray[] = optimizer.slots.map(() => zeros([start.length]));
        for (let step = 1; step <= 40; step++) {
          const [next, ...nextSlots] = await runOnce(device, graph, {
            ...{ parameter, gradient, step: scalar(step), learningRate: scalar(rate) },
            ...Object.fromEntries(optimizer.slots.map((slot, i) => [slot, at(slots, i)])),
          });
          parameter = next ?? parameter;
          slots = nextSlots;
        }
        expect(parameter.data[0]).toBe(start[0]);
        expect([...parameter.data].every(Number.isFinite)).toBe(true);
        // Against the gradient, every one of them.
        for (const [i, g] of [...gradient.data].entries())
          expect(Math.sign((parameter.data[i] ?? Number.NaN) - at(start, i))).toBe(-Math.sign(g) || 0);
      },
    );

    test("Adam's bias correction stays exact from the first step to the ten-thousandth", async () => {
      const graph = updateGraph(adam(), arenaOf([{ path: "p", shape: [1] }]));
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

    test("by value, each element is moved to the limit by itself", async () => {
      const graph = traceGraph("clip", [{ name: "g", dtype: "f32", shape: [4] }], ([g]) => [
        clipByValue(g as Float, 0.5),
      ]);
      const [clipped] = await runOnce(device, graph, { g: ndarray([4], [-3, -0.25, 0.5, 9]) });
      expect([...(clipped?.data ?? [])]).toEqual([-0.5, -0.25, 0.5, 0.5]);
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
  [() => rmsProp({ momentum: 1 }), "rmsProp: momentum is 1; expected 0 or more, below 1"],
  [() => rmsProp({ epsilon: 0 }), "rmsProp: epsilon is 0; expected a number above 0"],
  [() => adagrad({ initial: -1 }), "adagrad: initial is -1; expected a number of 0 or more"],
  [() => lion({ beta2: 1 }), "lion: beta2 is 1; expected 0 or more, below 1"],
  [() => withWeightDecay(sgd(), { rate: -1 }), "withWeightDecay: rate is -1; expected a number of 0 or more"],
])("an option out of range is refused (%#)", (make, message) => {
  expect(make).toThrow(message);
});
