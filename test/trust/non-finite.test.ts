/** @file A non-finite number is traced to its step, tensor and op, with the user's source line. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { grad } from "../../compiler/autodiff/gradient.ts";
import { cell } from "../../compiler/dsl/cell.ts";
import { dense } from "../../compiler/dsl/dense.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { add, div, less, mul, sub } from "../../compiler/ops/elementwise.ts";
import { where } from "../../compiler/ops/logic.ts";
import { findNonFinite, nonFiniteLine } from "../../compiler/ops/non-finite.ts";
import { scanTensors } from "../../compiler/ops/scan.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { exp, log, sqrt, tanh } from "../../compiler/ops/transcendental.ts";
import { constant, fill, reshape, sum } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Device } from "../../devices/device.ts";
import { seriesModel } from "../../train/networks.ts";
import { createTrainer, type Trainer } from "../../train/trainer.ts";
import { jsonLines, run, Workspace } from "../cli/run.ts";
import { devices } from "../train/devices.ts";
import { lineOf } from "./fault-table.ts";

type Float = Tensor<"f32">;

/** The message about f(x), for x of two numbers. */
function saidOf(f: (x: Float) => Float, x: readonly number[]): string | undefined {
  const graph = traceGraph("f", [{ name: "x", dtype: "f32", shape: [2] }], ([given]) => [f(given as Float)]);
  const found = findNonFinite(graph, { x: ndarray([2], x) });
  return found && nonFiniteLine(found).replace(/test\/trust\/non-finite\.test\.ts:\d+:\d+/, "HERE");
}

describe("a graph", () => {
  const infinite = (x: Float) => fill(x.shape, Number.POSITIVE_INFINITY);
  const table: readonly [title: string, f: (x: Float) => Float, x: readonly number[], said: string | undefined][] = [
    ["finite throughout", (x) => log(x), [1, 2], undefined],
    [
      "the first of several",
      (x) => sub(log(x), log(x)),
      [1, 0],
      "log at HERE gave -Infinity at [1] (1 of 2 numbers) from 0",
    ],
    ["an input", (x) => exp(x), [1, Number.NaN], "input x holds NaN at [1] (1 of 2 numbers)"],
    [
      "an overflow of f32 that float64 would hold",
      (x) => exp(x),
      [1, 100],
      "exp at HERE gave Infinity at [1] (1 of 2 numbers) from 100",
    ],
    [
      "through a view and a sum",
      (x) => sum(mul(reshape(sqrt(x), [1, 2]), 2)),
      [4, -1],
      "sqrt at HERE gave NaN at [1] (1 of 2 numbers) from -1",
    ],
    [
      "not what a choice leaves",
      (x) => where(less(0, x), log(x), div(1, add(x, 1))),
      [-2, -1],
      "div at HERE gave Infinity at [1] (1 of 2 numbers) from 1 and 0",
    ],
    [
      "not what is odd elsewhere",
      (x) => add(where(less(x, 0), 0, log(sub(x, 1))), where(less(x, 0), sqrt(x), x)),
      [-1, 1],
      "sqrt at HERE gave NaN at [0] (1 of 2 numbers) from -1",
    ],
    [
      "a gradient that counts, beside one that does not",
      (x) => grad((v: Float) => sum(add(where(less(0, v), log(v), v), sqrt(add(v, 1)))))(x),
      [0, -1],
      "div at HERE gave Infinity at [1] (1 of 2 numbers) from 0.5 and 0",
    ],
    ["infinite, and made finite again", (x) => exp(log(x)), [0, 1], undefined],
    [
      "of two, that which reaches the result",
      (x) => add(tanh(log(x)), sqrt(sub(x, 1))),
      [0, 1],
      "sqrt at HERE gave NaN at [0] (1 of 2 numbers) from -1",
    ],
    [
      "a mask of infinity by intent",
      (x) => exp(where(less(x, 1), fill(x.shape, Number.NEGATIVE_INFINITY), x)),
      [0, 2],
      undefined,
    ],
    [
      "NaN made of infinities by intent",
      (x) => mul(infinite(x), x),
      [0, 2],
      "mul at HERE gave NaN at [0] (2 of 2 numbers) from Infinity and 0",
    ],
    ["a scalar", (x) => log(sum(x)), [0, 0], "log at HERE gave -Infinity from 0"],
  ];
  test.each(table)("%s", (_, f, x, said) => {
    expect(saidOf(f, x)).toBe(said);
  });

  test("in a loop: the time step, through carries and stacked outputs", () => {
    const shrinking = (reverse: boolean) => (x: Float) => {
      const step = ([value]: readonly Tensor[]) => {
        const next = sub(value as Float, constant(1));
        return { carries: [next], ys: [log(next)] };
      };
      const { ys } = scanTensors(step, [x], [], { length: 4, reverse });
      return sum(at(ys, 0) as Float);
    };
    expect(saidOf(shrinking(false), [9, 3])).toMatch(
      /^log at HERE gave -Infinity at \[1\] \(1 of 2 numbers\) from 0, in step 2 of /,
    );
    expect(saidOf(shrinking(true), [9, 3])).toMatch(/, in step 1 of /);
  });

  test("with several outputs, the first computed one", () => {
    const graph = traceGraph("f", [{ name: "x", dtype: "f32", shape: [2] }], ([x]) => {
      const [first, second] = [log(x as Float), sqrt(sub(x as Float, 1))];
      return [second, first];
    });
    expect(findNonFinite(graph, { x: ndarray([2], [0, 0]) })).toMatchObject({ op: "log", count: 2 });
  });

  test("neither inputs nor the interpreter's results are changed", () => {
    const graph = traceGraph("f", [{ name: "x", dtype: "f32", shape: [2] }], ([x]) => [reshape(x as Float, [1, 2])]);
    const x = ndarray([2], [0.1, 0.2]);
    findNonFinite(graph, { x });
    expect([...x.data]).toEqual([0.1, 0.2]);
  });
});

/** Its state halves with every step; its output overflows f32 when the state is small. */
const fading = cell("fading", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const next = add(mul(h, 0.5), dense("key", [x], units));
  return { state: { h: next }, output: exp(next) };
});

for (const { name, open } of devices) {
  describe(name, () => {
    let device: Device;
    let trainer: Trainer;
    beforeAll(async () => {
      device = await open();
      trainer = await createTrainer(device, seriesModel({ cell: fading, units: 2, layers: 1, features: 1 }), {
        learningRate: 1e-3,
      });
      const weights = await trainer.parameters();
      // The key's kernel is 1, its bias 0.
      trainer.setParameters(
        Object.fromEntries(
          Object.entries(weights).map(([path, value]): [string, NdArray] => [
            path,
            { ...value, data: value.data.fill(path.endsWith("key/kernel") ? 1 : path.endsWith("bias") ? 0 : 0.5) },
          ]),
        ),
      );
    });
    afterAll(() => device.destroy());

    const batch = (numbers: readonly number[], fresh: boolean) => ({
      x: ndarray([2, 1, 1], numbers),
      targets: ndarray([2, 1, 1], [0, 0]),
      fresh,
    });

    test("the step that stopped training is stored with its batch and state, however many follow", async () => {
      expect(await trainer.stoppedStep()).toBeUndefined();
      const results = await Promise.all([
        trainer.step(batch([1, 2], true)),
        trainer.step(batch([4, 999], false)),
        trainer.step(batch([1, 1], false)),
        trainer.step(batch([3, 1], false)),
      ]);
      expect(results.map(({ finite }) => finite)).toEqual([true, false, false, false]);
      const stopped = await trainer.stoppedStep();
      expect(stopped?.step).toBe(2);
      const found = stopped && findNonFinite(stopped.graph, stopped.inputs);
      expect(found).toMatchObject({ op: "exp", value: Number.POSITIVE_INFINITY, loops: [{ name: "fading", step: 1 }] });
      expect(found?.site).toMatch(/^test\/trust\/non-finite\.test\.ts:\d+:\d+$/);
      // h = 0.5 (0.5 h + 4 k) + 999 k, of the h = 2.5 that the first step left and the k = 1 - 1e-3 that it made.
      const [from = Number.NaN] = found?.from ?? [];
      expect(from).toBeCloseTo(1000.622, 1);
    });

    test("is dropped when training continues", async () => {
      trainer.setParameters(await trainer.parameters());
      expect(await trainer.stoppedStep()).toBeUndefined();
      expect((await trainer.step(batch([1, 2], true))).finite).toBe(true);
    });

    test("is not a step that was in flight when the trainer was restored", async () => {
      const kept = await trainer.checkpoint();
      const onItsWay = trainer.step(batch([4, 999], false));
      trainer.restore(kept);
      expect((await onItsWay).finite).toBe(false);
      expect(await trainer.stoppedStep()).toBeUndefined();
      const next = trainer.step(batch([999, 1], false));
      expect((await next).firstBadStep).toBe((await next).step);
      expect(await trainer.stoppedStep()).toMatchObject({ step: (await next).step });
    });
  });
}

test("weights whose held-out loss is not finite are not saved, although every step was finite: the last good ones are", async () => {
  const space = new Workspace({
    "late.csv": `a\n${Array.from({ length: 90 }, (_, i) => (i < 85 ? i % 2 : 99)).join("\n")}\n`,
    "steep.ts": `import { cell, exp, mul } from "cellgrad";
export default cell("steep", { state: ({ units }) => ({ h: [units] }) }, ({ x, h }) => ({ state: { h }, output: exp(mul(x, 2)) }));
`,
  });
  const sizes = ["--device", "interpreter", "--units", "1", "--batch", "2", "--time", "4", "--steps", "3"];
  const train = ["train", space.file("late.csv"), "--cell", space.file("steep.ts"), ...sizes];
  const { code, stdout, stderr } = await run(...train, "--out", space.file("steep.safetensors"), "--json");
  expect(code).toBe(2);
  expect(stderr).toMatch(lineOf("steps that are finite and end in a held-out loss that is not"));
  expect(jsonLines(stdout).at(-1)).toMatchObject({ done: true, steps: 3, valLoss: null, out: null });
  expect(space.list()).toEqual(["late.csv", "steep.ts"]);
  space.remove();
});

test("cellgrad train --debug-nan names the op and the line of the user's file; without it, the message mentions the option", async () => {
  const rows = Array.from({ length: 90 }, (_, i) => (i < 20 ? 2 : 2 - i / 20));
  const space = new Workspace({
    "falling.csv": `a\n${rows.join("\n")}\n`,
    "fading.ts": `import { add, cell, dense, log, mul, tanh } from "cellgrad";
export default cell("fading", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const next = tanh(add(mul(h, 0.5), dense("key", [x], units)));
  return { state: { h: next }, output: log(next) };
});
`,
  });
  const train = (...options: string[]) =>
    run(
      "train",
      space.file("falling.csv"),
      "--cell",
      space.file("fading.ts"),
      "--device",
      "interpreter",
      "--units",
      "3",
      "--batch",
      "2",
      "--time",
      "4",
      "--steps",
      "3",
      ...options,
    );
  const told = await train("--debug-nan");
  expect(told.code).toBe(2);
  const lastLine = (text: string) => text.trimEnd().split("\n").at(-1);
  expect(lastLine(told.stderr)).toMatch(lineOf("the same with --debug-nan"));
  expect(lastLine((await train()).stderr)).toMatch(lineOf("a step whose numbers are not finite"));
  space.remove();
});
