/** @file NaN in a check: NaN is reported, and never widens the tolerance of other numbers. */
import { afterAll, describe, expect, test } from "vitest";
import { checkGradients, checkHosts, checkLoss, hostReportLines, reportLines } from "../../entries/testing.ts";
import {
  abs,
  add,
  type CellDefinition,
  cell,
  concat,
  type Device,
  dense,
  model,
  mul,
  type NdArray,
  ndarray,
  openDevice,
  sin,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  tanh,
} from "../../index.ts";
import { interpreter } from "../../testing/executor.ts";

type Float = Tensor<"f32">;
type Given<Names extends string> = Readonly<Record<Names, Float>>;

/** A cell whose output adds up its next state and something of the state before it, which is zero at first. */
const withState = (of: (h: Float) => Float): CellDefinition =>
  cell("odd", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
    const next = tanh(dense("k", [h, x], units));
    return { state: { h: next }, output: add(next, of(h)) };
  });

describe("the argument whose gradient is NaN is named", () => {
  test.each<[string, CellDefinition]>([
    ["a root of |h|", withState((h) => sqrt(abs(h)))],
    ["the length of h", withState((h) => sqrt(sum(square(h), -1, { keepAxes: true })))],
  ])("of a cell: %s", (_, definition) => {
    const { failure } = checkGradients(definition, { cases: 6, seed: 1, units: 1, features: 1 });
    expect(failure?.fault.argument).toBe("state h");
    expect(failure?.fault.reason).toMatch(/^reverse mode gives NaN/);
  });

  const root = (x: Float) => sum(sqrt(mul(x, 0)));
  test.each<[string, (given: Given<"a" | "b">) => Float]>([
    ["the second", ({ a, b }) => add(sum(square(a)), root(b))],
    ["the first", ({ a, b }) => add(sum(square(b)), root(a))],
  ])("of a function: %s", (which, f) => {
    const report = checkGradients(f, { arguments: { a: [2], b: [2] }, cases: 1, seed: 1 });
    const name = which === "the first" ? "a" : "b";
    expect(reportLines(report)[1]).toBe(`wrong: the derivative with respect to ${name}: reverse mode gives NaN`);
  });

  test("of second order", () => {
    // y |y| at 0 has the derivative 0, and none of second order.
    const curved = ({ a, b }: Given<"a" | "b">) => {
      const y = sub(b, stopGradient(b));
      return add(sum(square(a)), sum(mul(y, sqrt(square(y)))));
    };
    const options = { arguments: { a: [2], b: [2] }, cases: 1, seed: 1 };
    expect(checkGradients(curved, options).right).toBe(true);
    expect(checkGradients(curved, { ...options, order: 2 }).failure?.fault).toEqual({
      argument: "b",
      reason: "second order: reverse mode over reverse mode gives NaN or infinity",
    });
  });
});

test("a second derivative that is NaN at a kink of the gradient is left out", () => {
  const report = checkGradients(
    withState((h) => mul(h, sqrt(square(h)))),
    { cases: 4, seed: 1, order: 2, units: 1, features: 1 },
  );
  expect(report.failure).toBeUndefined();
  expect(report.kinks).toBeGreaterThan(0);
});

const device = await openDevice({ device: "cpu" });
afterAll(() => device.destroy());

/** The device, with changed results. */
function changing(change: (value: NdArray, output: number) => NdArray): Device {
  return {
    ...device,
    compile: async (graph, options) => {
      const executable = await device.compile(graph, options);
      const run: typeof executable.run = (inputs) =>
        executable.run(inputs).map((output, i) => ({
          ...output,
          destroy: () => output.destroy(),
          read: async () => change(await output.read(), i),
        }));
      return { ...executable, run, destroy: () => executable.destroy() };
    },
  };
}

/** A root of a nearly cancelling sum, whose sign f32 does not determine. */
function brittleRoot(x: Float): Float {
  return sqrt(add(sub(mul(x, 3), add(add(x, x), x)), 1e-12));
}

describe("a device", () => {
  const options = { cases: 1, seed: 1, schedules: ["auto"] } as const;

  test("gets no tolerance for determined numbers from undetermined ones", async () => {
    const both = ({ x, y }: Given<"x" | "y">) => concat([brittleRoot(x), sin(y)]);
    const shapes = { arguments: { x: [2], y: [2] } };
    expect((await checkHosts(both, { ...options, ...shapes, device })).failure).toBeUndefined();
    const off = changing((value, output) => ({
      ...value,
      data: output > 0 ? value.data : value.data.map((number, i) => (i < 2 ? number : number * 1.01)),
    }));
    expect((await checkHosts(both, { ...options, ...shapes, device: off })).failure?.what).toBe("value");
  });

  test("whose gradient has a NaN is reported with the argument", async () => {
    const smooth = ({ x, y }: Given<"x" | "y">) => add(mul(square(x), 100), sin(y));
    const odd = changing((value, output) => ({
      ...value,
      data: output === 2 ? value.data.fill(Number.NaN) : value.data.map((number) => number * (output === 1 ? 1.01 : 1)),
    }));
    const report = await checkHosts(smooth, { ...options, arguments: { x: [2], y: [2] }, device: odd });
    expect(report.failure).toMatchObject({ what: "gradient", argument: "y" });
    expect(hostReportLines(report)[1]).toMatch(
      /^wrong: the gradient \(most with respect to y\), schedule auto: numbers that are NaN or infinite, allowed is/,
    );
  });
});

test("a loss that is NaN near the point is not compared with an infinite tolerance", async () => {
  const brittle = model("brittle", ({ x }: Readonly<Record<string, Tensor>>) => sum(sqrt(sub(x as Float, 1))));
  const point = { parameters: {}, inputs: { x: ndarray([4], new Array<number>(4).fill(1 + 1e-7)) } };
  const wrong = { ...interpreter, execute: async () => [ndarray([], [0]), ndarray([4], [0, 0, 0, 0])] };
  const { unsuitable } = await checkLoss(brittle, point, [wrong]);
  expect(unsuitable).toBe("not finite where rounding moves its numbers");
});

test("a gradient that a device can flush to 0 is not compared", async () => {
  const tiny = (factor: number) =>
    model("tiny", ({ x }: Readonly<Record<string, Tensor>>) => sum(mul(x as Float, factor)));
  const point = { parameters: {}, inputs: { x: ndarray([2], [1, 2]) } };
  const flushing = {
    ...interpreter,
    execute: async (...given: Parameters<typeof interpreter.execute>) =>
      (await interpreter.execute(...given)).map((value) => ({
        ...value,
        data: value.data.map((number) => (Math.abs(number) < 2 ** -126 ? 0 : number)),
      })),
  };
  expect((await checkLoss(tiny(2 ** -130), point, [flushing])).unsuitable).toMatch(/subnormal/);
  expect((await checkLoss(tiny(2 ** -100), point, [flushing])).unsuitable).toBeUndefined();
});
