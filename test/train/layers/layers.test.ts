/** @file Layers of cells: both directions, depth, connections around layers, initial and final states. */
import { describe, expect, test } from "vitest";
import { gru, lstm, rnn } from "../../../cells/index.ts";
import {
  bidirectional,
  highway,
  inputDropout,
  type Layer,
  type LayerState,
  learnedState,
  outputDropout,
  randomness,
  recurrent,
  residual,
  stacked,
} from "../../../entries/layers.ts";
import {
  add,
  concat,
  dense,
  mul,
  oneMinus,
  ones,
  scan,
  scope,
  sigmoid,
  slice,
  square,
  sub,
  sum,
  type Tensor,
} from "../../../index.ts";
import { generator, randomFloats } from "../../../testing/numbers/random-data.ts";
import { smallTileCpuExecutors } from "../../support/cpu-executors.ts";
import { type Measured, runModel, type Tensors } from "../../support/models.ts";
import { difference } from "../devices.ts";

type Float = Tensor<"f32">;

const xs = randomFloats(generator(11), [4, 2, 3]);
const shapes = { xs: ["T", "B", 3] };

/** What two ways of writing one thing have in common: values and every gradient, to the last digits. */
async function expectEqual(one: Measured, other: Measured, alias: (path: string) => string = (path) => path) {
  const [a, b] = [await runModel(one, { xs }, { shapes, alias }), await runModel(other, { xs }, { shapes })];
  for (const [name, { data }] of Object.entries(b.outputs))
    expect(difference(a.outputs[name]?.data ?? [], data), name).toBeLessThan(1e-12);
  const gradients = Object.fromEntries(Object.entries(a.gradients).map(([path, array]) => [alias(path), array]));
  expect(Object.keys(gradients).toSorted()).toEqual(Object.keys(b.gradients).toSorted());
  for (const [path, { data }] of Object.entries(b.gradients)) {
    expect(Math.max(...data.map(Math.abs)), path).toBeGreaterThan(1e-6);
    expect(difference(gradients[path]?.data ?? [], data), path).toBeLessThan(1e-12);
  }
}

const squares = (outputs: Float, state: LayerState = {}) =>
  Object.values(state).reduce((total, h) => add(total, sum(square(h))), sum(square(outputs)));
const ran =
  (layer: Layer): Measured =>
  (inputs: Tensors) => {
    const { outputs, state } = layer.run(inputs.xs as Float);
    return { loss: squares(outputs, state), outputs };
  };

describe("both directions", () => {
  const merges = {
    concat: (a: Float, b: Float) => concat([a, b]),
    sum: (a: Float, b: Float) => add(a, b),
    mean: (a: Float, b: Float) => mul(add(a, b), 0.5),
    product: (a: Float, b: Float) => mul(a, b),
  };

  test.each(["concat", "sum", "mean", "product"] as const)("%s is two scans by hand", async (merge) => {
    const [forward, backward] = [lstm(2), gru(2)];
    const byHand: Measured = (inputs) => {
      const one = scope("forward", () => scan(forward, inputs.xs as Float));
      const two = scope("backward", () => scan(backward, inputs.xs as Float, { reverse: true }));
      const outputs = merges[merge](one.outputs, two.outputs);
      return { loss: squares(outputs, { ...one.state, "backward h": two.state.h }), outputs };
    };
    await expectEqual(ran(bidirectional(lstm(2), gru(2), { merge })), byHand);
  });

  test("a custom function can merge", async () => {
    const merge = (a: Float, b: Float) => sub(a, mul(b, 2));
    const byHand: Measured = (inputs) => {
      const one = scope("forward", () => scan(rnn(2), inputs.xs as Float));
      const two = scope("backward", () => scan(rnn(2), inputs.xs as Float, { reverse: true }));
      const outputs = merge(one.outputs, two.outputs);
      return { loss: squares(outputs, { one: one.state.h, two: two.state.h }), outputs };
    };
    await expectEqual(ran(bidirectional(rnn(2), rnn(2), { merge })), byHand);
  });

  test("running a reverse layer step by step is an error", () => {
    const layer = bidirectional(rnn(2), rnn(2));
    const step: Measured = (inputs) => ({
      loss: squares(layer.run(sum(inputs.xs as Float, 0), { isStep: true }).outputs),
    });
    return expect(runModel(step, { xs })).rejects.toThrow(
      /^rnn at .*: it runs from the last step to the first, so it cannot run step by step$/,
    );
  });
});

describe("depth", () => {
  test("stacked layers are successive scans, with separate weights and states", async () => {
    const cells = [gru(2), gru(2), gru(2)];
    const layer = stacked(cells.map((cell) => recurrent(cell)));
    expect(layer.states).toEqual({ "layers/0/h": [2], "layers/1/h": [2], "layers/2/h": [2] });
    const byHand: Measured = (inputs) => {
      const state: Record<string, Float> = {};
      const outputs = [gru(2), gru(2), gru(2)].reduce((hidden, cell, i) => {
        const result = scope(`layers/${i}`, () => scan(cell, hidden));
        state[i] = result.state.h;
        return result.outputs;
      }, inputs.xs as Float);
      return { loss: squares(outputs, state), outputs };
    };
    await expectEqual(ran(layer), byHand);
  });

  test("a residual connection adds the input", async () => {
    const cell = gru(3);
    await expectEqual(ran(residual(recurrent(cell))), (inputs) => {
      const { outputs, state } = scan(gru(3), inputs.xs as Float);
      const sums = add(inputs.xs as Float, outputs);
      return { loss: squares(sums, state), outputs: sums };
    });
  });

  test("a highway blends the input and the output of each unit", async () => {
    await expectEqual(ran(highway(recurrent(gru(3)))), (inputs) => {
      const input = inputs.xs as Float;
      const { outputs, state } = scope("highway", () => scan(gru(3), input));
      const gate = sigmoid(dense("highway/transform", input, 3));
      const chosen = add(mul(gate, outputs), mul(oneMinus(gate), input));
      return { loss: squares(chosen, state), outputs: chosen };
    });
  });

  test("layers that change the width cannot have a connection", () =>
    expect(runModel(ran(residual(recurrent(gru(2)))), { xs })).rejects.toThrow(
      /^residual at .*: the layer's input is \[4, 2, 3\] and its output \[4, 2, 2\]; they must have the same width$/,
    ));

  test("dropout on inputs and outputs has separate masks for each site and layer", async () => {
    const layer: Layer = { states: {}, run: (input) => ({ outputs: input, state: {} }) };
    const random = randomness(3);
    const { outputs } = await runModel(() => {
      const x = ones([3, 2, 32]);
      const through = (built: Layer) => built.run(x, { random }).outputs;
      return {
        loss: sum(x),
        input: through(inputDropout(layer, 0.5)),
        output: through(outputDropout(layer, 0.5)),
        both: through(stacked([inputDropout(layer, 0.5), inputDropout(layer, 0.5)])),
        nested: through(inputDropout(inputDropout(layer, 0.5), 0.5)),
        steps: through(inputDropout(layer, 0.5, { each: "step" })),
        evaluated: inputDropout(outputDropout(layer, 0.5), 0.5).run(x).outputs,
      };
    }, {});
    const values = (name: string) => [...(outputs[name]?.data ?? [])];
    const overTime = (name: string) =>
      new Set(
        [0, 1, 2].map((t) =>
          values(name)
            .slice(t * 64, (t + 1) * 64)
            .join(),
        ),
      ).size;
    expect(values("input")).not.toEqual(values("output"));
    // Two masks of their own: a quarter is left, four times as large.
    for (const name of ["both", "nested"]) {
      expect(new Set(values(name)), name).toEqual(new Set([0, 4]));
      expect(values(name).filter((value) => value !== 0).length / 192, name).toBeLessThan(0.4);
    }
    expect([overTime("input"), overTime("steps")]).toEqual([1, 3]);
    expect(new Set(values("evaluated"))).toEqual(new Set([1]));
  });
});

describe("states", () => {
  const build = () => stacked([recurrent(lstm(2)), residual(recurrent(gru(2)))]);

  test("a sequence in two parts with carried states equals the whole; so do single steps", async () => {
    const layer = build();
    const { outputs } = await runModel(
      (inputs) => {
        const all = inputs.xs as Float;
        const whole = layer.run(all);
        const first = layer.run(slice(all, 0, 0, 2));
        const second = layer.run(slice(all, 0, 2, 2), { state: first.state });
        let state: LayerState | undefined;
        const steps = [0, 1, 2, 3].map((t) => {
          const x = sum(slice(all, 0, t, 1), 0);
          const result = layer.run(x, { isStep: true, ...(state === undefined ? {} : { state }) });
          state = result.state;
          return result.outputs;
        });
        return {
          loss: squares(whole.outputs),
          "whole h": whole.state["layers/0/h"] as Float,
          "parts h": second.state["layers/0/h"] as Float,
          "steps h": state?.["layers/0/h"] as Float,
          "whole last": sum(slice(whole.outputs, 0, 3, 1), 0),
          "parts last": sum(slice(second.outputs, 0, 1, 1), 0),
          "steps last": steps[3] as Float,
        };
      },
      { xs },
    );
    for (const what of ["h", "last"]) {
      const data = (how: string) => [...(outputs[`${how} ${what}`]?.data ?? [])];
      expect(difference(data("parts"), data("whole"))).toBeLessThan(1e-12);
      expect(difference(data("steps"), data("whole"))).toBeLessThan(1e-12);
    }
  });

  test("given initial states are used, and get a gradient", async () => {
    const h = randomFloats(generator(4), [2, 2]);
    const layer = recurrent(gru(2));
    const from =
      (state: boolean): Measured =>
      (inputs) => {
        const { outputs } = layer.run(inputs.xs as Float, state ? { state: { h: inputs.h as Float } } : {});
        return { loss: squares(outputs), outputs };
      };
    const [given, zeros] = [await runModel(from(true), { xs, h }), await runModel(from(false), { xs, h })];
    expect(given.outputs.outputs).not.toEqual(zeros.outputs.outputs);
    expect(Math.min(...(given.gradients.h?.data.map(Math.abs) ?? [0]))).toBeGreaterThan(1e-4);
    expect(new Set(zeros.gradients.h?.data)).toEqual(new Set([0]));
  });

  test.each([undefined, ...smallTileCpuExecutors])(
    "a learned state gets the gradient that differences give",
    async (executor) => {
      const layer = recurrent(rnn(2), { initial: "learned" });
      const name = "rnn/initial/h";
      const options = { shapes, ...(executor === undefined ? {} : { executor }) };
      const { gradients } = await runModel(ran(layer), { xs }, options);
      const moved = async (unit: number, distance: number) => {
        const pushed: Measured = (inputs) => {
          const instance = rnn(2);
          const initial = learnedState(instance, 2);
          const { outputs, state } = scan(instance, inputs.xs as Float, {
            initial: { h: add(initial.h, inputs.push as Float) },
          });
          return { loss: squares(outputs, state) };
        };
        const push = { dtype: "f32" as const, shape: [2], data: Float64Array.of(0, 0) };
        push.data[unit] = distance;
        return (await runModel(pushed, { xs, push })).outputs.loss?.data[0] ?? Number.NaN;
      };
      for (const unit of [0, 1]) {
        const slope = ((await moved(unit, 1e-4)) - (await moved(unit, -1e-4))) / 2e-4;
        expect(Math.abs(slope)).toBeGreaterThan(1e-2);
        expect(difference([gradients[name]?.data[unit] ?? 0], [slope])).toBeLessThan(executor?.tolerance ?? 1e-7);
      }
    },
  );

  test("two cells of one scope learn separate states", async () => {
    const cells = [rnn(2), rnn(2)];
    const { gradients } = await runModel(
      (inputs) => {
        const runs = cells.map((cell) => recurrent(cell, { initial: "learned" }).run(inputs.xs as Float).outputs);
        return { loss: squares(concat(runs)) };
      },
      { xs },
    );
    expect(Object.keys(gradients).filter((path) => path.includes("initial"))).toEqual([
      "rnn/initial/h",
      "rnn_1/initial/h",
    ]);
  });
});
