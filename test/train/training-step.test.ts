/** @file The graph of one update: packing, gradient, clipping, guard, carried state, tied and stacked layers. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gru } from "../../cells/gru.ts";
import { lstm } from "../../cells/lstm.ts";
import { rnn } from "../../cells/rnn.ts";
import type { Cell } from "../../compiler/dsl/cell.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type NdArray, ndarray, scalar, zeros } from "../../compiler/graph/ndarray.ts";
import { square } from "../../compiler/ops/composed.ts";
import { mul, sqrt, sub } from "../../compiler/ops/elementwise.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { sum } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { arenaOf, pack, packArrays, unpack, unpackArray } from "../../train/arena.ts";
import type { Device } from "../../train/device.ts";
import { initialize } from "../../train/initialize.ts";
import { languageModel, type Network, network, seriesModel } from "../../train/networks.ts";
import { adam, type Optimizer, sgd } from "../../train/optimizers.ts";
import { randomStream } from "../../train/random.ts";
import { evaluationStep, type StepGraph, trainingStep } from "../../train/training-step.ts";
import { devices, difference, runOnce } from "./devices.ts";

type Values = Record<string, NdArray>;

/** An optimizer whose parameters after the step are the gradient: that makes it visible. */
const revealing: Optimizer = {
  name: "revealing",
  slots: [],
  update: ({ gradient }) => ({ parameter: gradient, slots: {} }),
};

/** An optimizer that changes nothing. */
const frozen: Optimizer = { name: "frozen", slots: [], update: ({ parameter }) => ({ parameter, slots: {} }) };

function numbers(shape: readonly number[], name: string, scale = 1): NdArray {
  const stream = randomStream(5, name);
  const size = shape.reduce((a, b) => a * b, 1);
  return ndarray(
    shape,
    Array.from({ length: size }, () => Math.fround(scale * stream.normal())),
  );
}

/** Adam's second slot is a mean of squares. */
const positive = (array: NdArray): NdArray => ({ ...array, data: array.data.map(Math.abs) });

function tokens(shape: readonly number[], vocabulary: number, name: string): NdArray {
  const stream = randomStream(6, name);
  const size = shape.reduce((a, b) => a * b, 1);
  return ndarray(
    shape,
    Array.from({ length: size }, () => Math.floor(stream.uniform() * vocabulary)),
    "i32",
  );
}

function states(model: Network, batch: number, scale: number): Values {
  return Object.fromEntries(
    Object.entries(model.stateShapes).map(([name, shape]) => [
      `state/${name}`,
      numbers([batch, ...shape], name, scale),
    ]),
  );
}

async function run(device: Device, step: StepGraph, inputs: Values): Promise<Values> {
  const outputs = await runOnce(device, step.graph, inputs);
  return Object.fromEntries(Object.entries(step.outputs).map(([name, index]) => [name, at(outputs, index)]));
}

const startOf = (model: Network): NdArray => packArrays(initialize(model.specs, 1), arenaOf(model.specs));
const control = { step: scalar(0), halted: scalar(0, "bool"), learningRate: scalar(0.5) };
const dataOf = (values: Values, name: string): Float64Array => values[name]?.data ?? new Float64Array();

const text = languageModel({ cell: lstm, units: 4, layers: 2, vocabulary: 5, embed: 3 });
const series = seriesModel({ cell: rnn, units: 3, layers: 1, features: 2 });

describe("the graph", () => {
  const step = trainingStep(text, { optimizer: adam(), clipNorm: 1 });

  test("is well formed, and every donated input has an output of its own aval", () => {
    verify(step.graph);
    const inputs = step.graph.inputs.map((id) => at(step.graph.nodes, id));
    for (const [name, index] of Object.entries(step.donate)) {
      const input = inputs.find((node) => node.op === "input" && node.attrs.name === name);
      expect(at(step.graph.nodes, at(step.graph.outputs, index)).aval, name).toEqual(input?.aval);
    }
    expect(Object.keys(step.donate)).toEqual([
      ...["parameters", "slots/mean", "slots/variance", "step", "halted"],
      ...["layers/0/c", "layers/0/h", "layers/1/c", "layers/1/h"].map((name) => `state/${name}`),
    ]);
  });

  test("has one scan a layer each way, and one concat for the whole gradient", () => {
    const scans = step.graph.nodes.filter(({ op }) => op === "scan");
    expect(scans).toHaveLength(4);
    const concats = step.graph.nodes.filter(({ op }) => op === "concat").map(({ operands }) => operands.length);
    expect(concats).toEqual([text.specs.length, 3]);
  });

  test("gives stacked layers weights of their own, in scopes by number", () => {
    const paths = text.specs.map(({ path }) => path);
    expect(paths.filter((path) => path.startsWith("layers/0/"))).toHaveLength(8);
    expect(paths.filter((path) => path.startsWith("layers/1/"))).toHaveLength(8);
    expect(paths).toContain("layers/1/lstm/forget/kernel");
    expect(new Set(paths).size).toBe(paths.length);
  });
});

describe("the arena", () => {
  const specs = [
    { path: "b", shape: [2, 3] },
    { path: "a", shape: [4] },
    { path: "c", shape: [1, 1, 2] },
  ];
  const arena = arenaOf(specs);
  const arrays = Object.fromEntries(specs.map(({ path, shape }) => [path, numbers(shape, path)]));

  test("packs in the order given, without gaps, and unpacks to the same", () => {
    expect(arena.entries.map(({ path, offset, size }) => [path, offset, size])).toEqual([
      ["b", 0, 6],
      ["a", 6, 4],
      ["c", 10, 2],
    ]);
    const flat = packArrays(arrays, arena);
    expect([...flat.data.slice(6, 10)]).toEqual([...(arrays.a?.data ?? [])]);
    expect(unpackArray(flat, arena)).toEqual(arrays);
  });

  test("refuses what is missing, unknown, or of another shape", () => {
    const { a, ...others } = arrays;
    expect(() => packArrays(others, arena)).toThrow("parameter a is missing");
    expect(() => packArrays({ ...arrays, d: zeros([1]) }, arena)).toThrow('the model has no parameter "d"');
    expect(() => packArrays({ ...arrays, a: zeros([2, 2]) }, arena)).toThrow(
      "parameter a is [2, 2]; the model expects [4]",
    );
    expect(() => unpackArray(zeros([3]), arena)).toThrow("3 numbers do not fill 12 of parameters");
  });
});

for (const { name, open, tolerance } of devices) {
  describe(name, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.destroy());

    test("packing while tracing is the reverse of unpacking, and has the layout of the host's", async () => {
      const arena = arenaOf(text.specs);
      const flat = startOf(text);
      const graph = traceGraph("arena", [{ name: "flat", dtype: "f32", shape: [arena.size] }], ([x]) => {
        const tensors = unpack(x as Tensor<"f32">, arena);
        return [pack(tensors, arena), tensors["head/kernel"] as Tensor];
      });
      const [packed, kernel] = await runOnce(device, graph, { flat });
      expect(packed?.data).toEqual(flat.data);
      expect(kernel).toEqual(unpackArray(flat, arena)["head/kernel"]);
    });

    const batch = { x: tokens([3, 2], 5, "x"), targets: tokens([3, 2], 5, "targets") };

    test("the gradient is that of the loss, in the layout of the parameters", async () => {
      const step = trainingStep(text, { optimizer: revealing });
      const evaluation = evaluationStep(text);
      const parameters = startOf(text);
      const state = states(text, 2, 0.5);
      const gradient = dataOf(await run(device, step, { parameters, ...control, ...state, ...batch }), "parameters");
      const lossAt = async (direction: Float64Array, h: number) => {
        const moved = { ...parameters, data: parameters.data.map((x, i) => x + h * (direction[i] ?? 0)) };
        return (
          dataOf(await run(device, evaluation, { parameters: moved, ...state, ...batch }), "loss")[0] ?? Number.NaN
        );
      };
      // In float64 a step of 1e-4 leaves errors of 1e-8; in f32 1e-2 balances rounding against curvature.
      const [h, bound] = tolerance < 1e-9 ? [1e-4, 1e-7] : [1e-2, 1e-2];
      for (const { path, offset, size } of step.arena.entries) {
        const direction = numbers([parameters.data.length], path).data.map((x, i) =>
          i >= offset && i < offset + size ? x : 0,
        );
        const slope = ((await lossAt(direction, h)) - (await lossAt(direction, -h))) / (2 * h);
        const expected = direction.reduce((total, x, i) => total + x * (gradient[i] ?? Number.NaN), 0);
        expect(Math.abs(slope - expected), path).toBeLessThan(bound);
        expect(Math.abs(expected), path).toBeGreaterThan(bound / 10);
      }
    });

    test("the norm that is reported is before clipping, and the update uses the clipped gradient", async () => {
      const parameters = startOf(text);
      const inputs = { parameters, ...control, ...states(text, 2, 0.5), ...batch };
      const free = await run(device, trainingStep(text, { optimizer: revealing }), inputs);
      const clipped = await run(device, trainingStep(text, { optimizer: revealing, clipNorm: 0.01 }), inputs);
      const loose = await run(device, trainingStep(text, { optimizer: revealing, clipNorm: 1e6 }), inputs);
      const norm = Math.sqrt(dataOf(free, "parameters").reduce((total, x) => total + x * x, 0));
      for (const result of [free, clipped, loose])
        expect(difference([dataOf(result, "metrics")[1] ?? 0], [norm])).toBeLessThan(tolerance);
      const scaled = dataOf(free, "parameters").map((x) => (x * 0.01) / norm);
      expect(difference(dataOf(clipped, "parameters"), scaled)).toBeLessThan(tolerance);
      expect(dataOf(loose, "parameters")).toEqual(dataOf(free, "parameters"));
    });

    test("sequence in two parts, state carried, ends in the state and mean loss of the whole", async () => {
      const step = trainingStep(text, { optimizer: frozen });
      const whole = { x: tokens([6, 2], 5, "long x"), targets: tokens([6, 2], 5, "long targets") };
      const half = (array: NdArray, part: number): NdArray =>
        ndarray([3, 2], array.data.subarray(6 * part, 6 * part + 6), "i32");
      const first = { x: half(whole.x, 0), targets: half(whole.targets, 0) };
      const second = { x: half(whole.x, 1), targets: half(whole.targets, 1) };
      const parameters = startOf(text);
      const start = states(text, 2, 0.5);
      const one = await run(device, step, { parameters, ...control, ...start, ...whole });
      const a = await run(device, step, { parameters, ...control, ...start, ...first });
      const carried = Object.fromEntries(step.state.map((key) => [key, a[key] as NdArray]));
      const b = await run(device, step, { parameters, ...control, ...carried, ...second });
      for (const key of step.state) {
        expect(difference(dataOf(b, key), dataOf(one, key)), key).toBeLessThan(tolerance);
        expect(difference(dataOf(a, key), dataOf(one, key)), key).toBeGreaterThan(1e-3);
      }
      const [lossA = 0, lossB = 0] = [a, b].map((result) => dataOf(result, "metrics")[0]);
      expect(difference([(lossA + lossB) / 2], dataOf(one, "metrics").slice(0, 1))).toBeLessThan(tolerance);
    });

    test("a carried state is a plain value: the gradient is that of these steps alone, as written by hand", async () => {
      const step = trainingStep(series, { optimizer: revealing });
      const parameters = startOf(series);
      const x = { x: numbers([1, 2, 2], "x1"), targets: numbers([1, 2, 2], "y1") };
      const state = { "state/layers/0/h": numbers([2, 3], "h1") };
      const { arena } = step;
      const gradient = unpackArray(
        (await run(device, step, { parameters, ...control, ...state, ...x })).parameters as NdArray,
        arena,
      );
      // One step of an rnn by hand: dL/dh = (prediction - target) K^T 2/n, through tanh' into [x, h]^T.
      const own = unpackArray(parameters, arena);
      const [w, b] = [own["layers/0/rnn/hidden/kernel"]?.data, own["layers/0/rnn/hidden/bias"]?.data];
      const [k, c] = [own["head/kernel"]?.data, own["head/bias"]?.data];
      const expected = new Float64Array(15);
      for (let row = 0; row < 2; row++) {
        const input = [
          ...x.x.data.subarray(row * 2, row * 2 + 2),
          ...state["state/layers/0/h"].data.subarray(row * 3, row * 3 + 3),
        ];
        const h = [0, 1, 2].map((u) =>
          Math.tanh(input.reduce((s, v, i) => s + v * (w?.[i * 3 + u] ?? 0), b?.[u] ?? 0)),
        );
        const error = [0, 1].map(
          (f) => h.reduce((s, v, u) => s + v * (k?.[u * 2 + f] ?? 0), c?.[f] ?? 0) - (x.targets.data[row * 2 + f] ?? 0),
        );
        const dh = [0, 1, 2].map((u) => error.reduce((s, e, f) => s + ((2 * e) / 4) * (k?.[u * 2 + f] ?? 0), 0));
        input.forEach((v, i) => {
          for (let u = 0; u < 3; u++)
            expected[i * 3 + u] = (expected[i * 3 + u] ?? 0) + v * at(dh, u) * (1 - at(h, u) ** 2);
        });
      }
      const got = gradient["layers/0/rnn/hidden/kernel"]?.data ?? [];
      expect(difference(got, expected)).toBeLessThan(tolerance);
    });

    describe("the guard", () => {
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

      test("lets a good step change everything it replaces", async () => {
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
      ])("writes nothing where an input is %s, and nothing after that either", async (_, bad) => {
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

      test("sees a gradient that is not finite under a loss that is", async () => {
        const zero = (output: Tensor<"f32">) => sum(square(sub(output, output)));
        const model = network({
          ...partsOf([rnn(2) as unknown as Cell]),
          // sqrt has an infinite slope at 0, which times 0 is NaN.
          loss: (output) => mul(sqrt(zero(output)), 1),
        });
        const step = trainingStep(model, { optimizer: sgd() });
        const parameters = startOf(model);
        const batch = { x: numbers([2, 1, 2], "x"), targets: numbers([2, 1, 2], "targets") };
        const after = await run(device, step, { parameters, ...control, ...states(model, 1, 0), ...batch });
        expect(dataOf(after, "metrics")[0]).toBe(0);
        expect(Number.isFinite(dataOf(after, "metrics")[1])).toBe(false);
        expect(after.parameters?.data).toEqual(parameters.data);
        expect(dataOf(after, "halted")).toEqual(Float64Array.of(1));
      });
    });

    test("one instance in two layers has one set of weights and two states; its gradient is the sum", async () => {
      const [shared, other] = [gru(2) as unknown as Cell, gru(2) as unknown as Cell];
      const tied = network(partsOf([shared, shared]));
      const untied = network(partsOf([shared, other]));
      expect(Object.keys(tied.stateShapes)).toEqual(["layers/0/h", "layers/1/h"]);
      const inLayer = (model: Network, layer: number) =>
        model.specs.filter(({ path }) => path.startsWith(`layers/${layer}`));
      expect([inLayer(tied, 0).length, inLayer(tied, 1).length]).toEqual([6, 0]);
      expect([inLayer(untied, 0).length, inLayer(untied, 1).length]).toEqual([6, 6]);

      const weights = initialize(tied.specs, 2);
      const copied = Object.fromEntries(
        untied.specs.map(({ path }) => [path, weights[path.replace("layers/1/", "layers/0/")] as NdArray]),
      );
      const batch = { x: numbers([3, 2, 2], "x"), targets: numbers([3, 2, 2], "targets") };
      const gradientsOf = async (model: Network, own: Values) => {
        const step = trainingStep(model, { optimizer: revealing });
        const parameters = packArrays(own, step.arena);
        const after = await run(device, step, { parameters, ...control, ...states(model, 2, 0.5), ...batch });
        return unpackArray(after.parameters as NdArray, step.arena);
      };
      const [together, apart] = [await gradientsOf(tied, weights), await gradientsOf(untied, copied)];
      for (const { path } of inLayer(tied, 0)) {
        const second = apart[path.replace("layers/0/", "layers/1/")]?.data ?? [];
        const summed = (apart[path]?.data ?? new Float64Array()).map((x, i) => x + (second[i] ?? Number.NaN));
        expect(difference(together[path]?.data ?? [], summed), path).toBeLessThan(tolerance);
      }
    });
  });
}

function partsOf(layers: readonly Cell[]) {
  return {
    kind: "series" as const,
    cell: "test",
    units: 2,
    layers,
    outputs: 2,
    encode: (x: Tensor) => x as Tensor<"f32">,
    x: { dtype: "f32" as const, shape: [2] },
    targets: { dtype: "f32" as const, shape: [2] },
    loss: (output: Tensor<"f32">, targets: Tensor) => sum(square(sub(output, targets as Tensor<"f32">))),
  };
}
