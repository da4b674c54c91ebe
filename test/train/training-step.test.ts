/** @file The graph of one update: gradient, clipping, optimizer, carried state, tied and stacked layers. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gru } from "../../cells/gru.ts";
import type { Cell } from "../../compiler/dsl/cell.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type NdArray, ndarray, scalar } from "../../compiler/graph/ndarray.ts";
import { add, mul } from "../../compiler/ops/elementwise.ts";
import { verify } from "../../compiler/ops/verify.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Device } from "../../devices/device.ts";
import { openInterpreter } from "../../devices/interpreter.ts";
import { packArrays, unpackArray } from "../../train/arena.ts";
import { initialize } from "../../train/initialize.ts";
import { type Network, network } from "../../train/networks.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import type { Optimizer } from "../../train/optimizers/optimizer.ts";
import { evaluationStep, trainingStep } from "../../train/training-step.ts";
import { devices, difference } from "./devices.ts";
import {
  control,
  dataOf,
  frozen,
  numbers,
  partsOf,
  revealing,
  run,
  series,
  startOf,
  states,
  text,
  tokens,
  type Values,
} from "./steps.ts";

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

  test("gives stacked layers separate weights, in numbered scopes", () => {
    const paths = text.specs.map(({ path }) => path);
    expect(paths.filter((path) => path.startsWith("layers/0/"))).toHaveLength(8);
    expect(paths.filter((path) => path.startsWith("layers/1/"))).toHaveLength(8);
    expect(paths).toContain("layers/1/lstm/forget/kernel");
    expect(new Set(paths).size).toBe(paths.length);
  });
});

for (const { name, open, tolerance } of devices) {
  describe(name, () => {
    let device: Device;
    beforeAll(async () => {
      device = await open();
    });
    afterAll(() => device.destroy());

    const batch = { x: tokens([3, 2], 5, "x"), targets: tokens([3, 2], 5, "targets") };

    test("the gradient is that of the loss, in the layout of the parameters", async () => {
      const step = trainingStep(text, { optimizer: revealing });
      const evaluation = evaluationStep(text);
      const parameters = startOf(text);
      const state = states(text, 2, 0.5);
      const inputs = { parameters, ...control, ...state, ...batch };
      // Difference quotients want float64; a device must agree with the gradient that they confirm.
      const exact = openInterpreter();
      const gradient = dataOf(await run(exact, step, inputs), "parameters");
      const lossAt = async (direction: Float64Array, h: number) => {
        const moved = { ...parameters, data: parameters.data.map((x, i) => x + h * (direction[i] ?? 0)) };
        const result = await run(exact, evaluation, { parameters: moved, ...state, ...batch });
        return dataOf(result, "loss")[0] ?? Number.NaN;
      };
      const h = 1e-4;
      for (const { path, offset, size } of step.arena.entries) {
        const direction = numbers([parameters.data.length], path).data.map((x, i) =>
          i >= offset && i < offset + size ? x : 0,
        );
        const slope = ((await lossAt(direction, h)) - (await lossAt(direction, -h))) / (2 * h);
        const expected = direction.reduce((total, x, i) => total + x * (gradient[i] ?? Number.NaN), 0);
        expect(Math.abs(slope - expected), path).toBeLessThan(1e-7);
        expect(Math.abs(expected), path).toBeGreaterThan(1e-5);
      }
      const [onDevice, loss] = await Promise.all([run(device, step, inputs), lossAt(new Float64Array(), 0)]);
      expect(difference(dataOf(onDevice, "parameters"), gradient)).toBeLessThan(tolerance);
      expect(difference(dataOf(onDevice, "metrics").slice(0, 1), [loss])).toBeLessThan(tolerance);
    });

    test("the reported norm is before clipping, and the update uses the clipped gradient", async () => {
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

    test("the optimizer gets its own slots, the rate, and the number of the update, counted from 1", async () => {
      const probe: Optimizer = {
        name: "probe",
        slots: ["a", "b"],
        update: ({ parameter, slots, step, learningRate }) => ({
          parameter: add(mul(parameter, 0), add(mul(step, 10), learningRate)),
          slots: { a: slots.b as Tensor<"f32">, b: slots.a as Tensor<"f32"> },
        }),
      };
      const step = trainingStep(text, { optimizer: probe });
      const [a, b] = [numbers([step.arena.size], "a"), numbers([step.arena.size], "b")];
      const given = { ...control, step: scalar(4), ...states(text, 2, 0.5), ...batch };
      const after = await run(device, step, { parameters: startOf(text), "slots/a": a, "slots/b": b, ...given });
      expect(new Set(after.parameters?.data)).toEqual(new Set([50.5]));
      expect(after["slots/a"]?.data).toEqual(b.data);
      expect(after["slots/b"]?.data).toEqual(a.data);
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

    test("a carried state is a constant: the gradient is that of only these steps, as written by hand", async () => {
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
