/**
 * @file The effect of rounding on an update if it decides the sign of a gradient: both signs and the neighbourhood of 0 are
 * covered for every such element, and determined elements get no tolerance.
 */
import { expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { inputName } from "../../compiler/graph/graph.ts";
import { ndarray, scalar, zeros } from "../../compiler/graph/ndarray.ts";
import {
  adam,
  interpret,
  mul,
  type NdArray,
  type Optimizer,
  objective,
  parameter,
  sum,
  zerosInit,
} from "../../index.ts";
import { compareStep } from "../../testing/random-training/compare-step.ts";
import { probed, reach, updateSpread } from "../../testing/random-training/update-spread.ts";
import { lion } from "../../train/optimizers/adaptive.ts";
import { trainingStep } from "../../train/training-step.ts";
import { slow } from "../support/some-of.ts";

const size = 400;
const rate = 0.5;

/** Gradients that are thirds of what is given added up: [3, size] to [size]. */
const thirds = objective("thirds", { x: { dtype: "f32", shape: [3, size] } }, ({ x }) => {
  const weights = parameter("w", [size], zerosInit);
  return sum(mul(mul(x, 1 / 3), weights));
});

/** Elements whose terms cancel but for `left`, as many as are open, and others of which nothing cancels. */
const cancelling = (left: number, open = size - 1): NdArray => {
  // A third of 1 is what f32 rounds a third to, but that of this is rounded again.
  const number = Math.fround(1.1);
  const row = (x: number) => Array.from({ length: size }, (_, k) => (k < open ? x : number));
  return ndarray([3, size], [...row(number), ...row(-number), ...row(left)]);
};

/** One update from weights 0, with the means that are given. */
function spreadOf(optimizer: Optimizer, x: NdArray, mean: number) {
  const step = trainingStep(thirds, { optimizer: probed(optimizer) });
  const slots = Object.fromEntries(step.slots.map((name) => [name, zeros([size])]));
  const inputs: Record<string, NdArray> = {
    ...{ parameters: zeros([size]), ...slots, step: scalar(0), halted: scalar(0, "bool"), x },
    ...{ "slots/mean": ndarray([size], new Array(size).fill(mean)), learningRate: scalar(rate) },
  };
  const { graph, outputs } = step;
  const exact = interpret(
    graph,
    graph.inputs.map((id) => inputs[inputName(graph, id)] ?? at([], 0)),
  );
  const spread = updateSpread(step, inputs);
  const of = (name: string) => ({
    exact: [...at(exact, outputs[name] ?? Number.NaN).data],
    spread: [...(spread[name]?.data ?? [])],
  });
  return { parameters: of("parameters"), mean: of("slots/mean"), gradient: of("slots/probedGradient") };
}

test("a sign decided by rounding can be either one, in each of hundreds of elements", () => {
  const { parameters } = spreadOf(lion({ beta1: 0, beta2: 0 }), cancelling(2 ** -22), 0);
  expect(parameters.exact.every((x) => x === -rate)).toBe(true);
  expect(parameters.spread.slice(0, -1).filter((x) => x !== 2 * rate)).toEqual([]);
  expect(parameters.spread.at(-1)).toBe(0);
});

test("a gradient that divides the update can be 0", () => {
  const epsilon = 1e-12;
  const { parameters } = spreadOf(adam({ beta1: 0.5, beta2: 0, epsilon }), cancelling(2 ** -22), 0.25);
  // Of the first update: half the mean before it, which is then taken as half of one.
  const largest = (rate * 0.25) / epsilon;
  const moved = largest - Math.abs(at(parameters.exact, 0));
  expect(moved).toBeGreaterThan(0.8 * largest);
  expect(Math.min(...parameters.spread.slice(0, -1)) / moved).toBeGreaterThan(0.999);
  expect(Math.max(...parameters.spread.slice(0, -1)) / largest).toBeLessThan(2.001);
  expect(at(parameters.spread, size - 1)).toBeLessThan(1e-5 * Math.abs(at(parameters.exact, size - 1)));
});

test("values proportional to the gradient get no larger spread than the gradient", () => {
  const { mean, gradient } = spreadOf(lion({ beta1: 0, beta2: 0.5 }), cancelling(2 ** -21), 0);
  const room = mean.spread.map((moved, k) => moved / at(gradient.spread, k));
  expect(Math.max(...room.slice(0, -1))).toBeLessThan(0.5001);
  expect(Math.min(...room.slice(0, -1))).toBeGreaterThan(0.4999);
});

/** A step of Lion, of which so many signs are open: a device on which some elements move the other way is compared. */
function movedOtherwise(open: number, flipped: readonly number[]) {
  const optimizer = lion({ beta1: 0, beta2: 0 });
  const step = trainingStep(thirds, { optimizer });
  const x = cancelling(2 ** -30, open);
  const before = {
    ...{ parameters: zeros([size]), "slots/mean": zeros([size]), step: scalar(0), halted: scalar(0, "bool") },
  };
  const inputs: Record<string, NdArray> = { ...before, x, learningRate: scalar(rate) };
  const exact = interpret(
    step.graph,
    step.graph.inputs.map((id) => inputs[inputName(step.graph, id)] ?? at([], 0)),
  );
  const after = Object.fromEntries(Object.entries(step.outputs).map(([name, place]) => [name, at(exact, place)]));
  const parameters = after.parameters ?? at([], 0);
  const data = parameters.data.map((w, k) => (flipped.includes(k) ? -w : w));
  const [loss = 0, gradientNorm = 0] = after.metrics?.data ?? [];
  return compareStep(
    {
      step,
      probed: () => trainingStep(thirds, { optimizer: probed(optimizer) }),
      objective: thirds,
      seed: 1,
      layers: 1,
    },
    {
      given: { inputs: { x }, rows: 1, time: 1, isFresh: false, learningRate: rate },
      ...{ before, after: { ...after, parameters: { ...parameters, data } }, isHalted: false },
      result: { step: 1, loss, gradientNorm, finite: true },
    },
  );
}

test("a device is blamed only for determined signs, and a mostly undetermined step is reported as such", slow, () => {
  const some = [0, 1, 2];
  expect(movedOtherwise(some.length, some)).toEqual({});
  expect(movedOtherwise(some.length, [size - 1]).wrong).toMatch(/^parameters should change by/);
  expect(movedOtherwise(size / 50, some)).toEqual({ unsuitable: "parameters: determined badly by f32 numbers" });
});

test("a curve between values is bounded by the lines through them", () => {
  expect(reach([1, 2, 2, 1], 0)).toBe(3);
  expect(reach([-1, -1, 0, 1, 1], -1)).toBe(2);
  expect(reach([4, 2, 1, 0, -1, -2, -4], 0)).toBe(4);
  expect(reach([1, 1, 1], 1)).toBe(0);
  expect(reach([0, Number.NaN, 0], 0)).toBeNaN();
  // An average over a root of squares, largest where both gradients are alike, wherever that lies between the points.
  const scaled = (x: number) => (1 + x) / Math.sqrt(1 + x * x);
  for (let shift = 0; shift < 1; shift += 1 / 16) {
    const values = Array.from({ length: 17 }, (_, i) => scaled(2 ** (8 - i + shift)));
    expect(reach(values, 0)).toBeGreaterThan(Math.SQRT2);
    expect(reach(values, 0)).toBeLessThan(1.1 * Math.SQRT2);
  }
});
