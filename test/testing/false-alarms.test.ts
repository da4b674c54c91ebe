/** @file `cellgrad/testing` neither rejects right results nor passes without a comparison: options, domains, tolerances. */
import { afterAll, describe, expect, test } from "vitest";
import { checkGradients, checkHosts, hostReportLines, matchers, reportLines } from "../../entries/testing.ts";
import {
  abs,
  add,
  cast,
  cell,
  type Device,
  dense,
  div,
  floor,
  gru,
  log,
  lstm,
  matmul,
  mul,
  openDevice,
  scanTensors,
  sigmoid,
  sin,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  tanh,
  traceGraph,
} from "../../index.ts";
import { depthOf, stepsOf } from "../../testing/tolerance.ts";
import { fewOf, slow } from "../support/some-of.ts";

expect.extend(matchers);
const device = await openDevice({ device: "cpu" });
afterAll(() => device.destroy());

type Float = Tensor<"f32">;
type Given<Names extends string> = Readonly<Record<Names, Float>>;

/** The device, with a relative error in every returned number. */
function offBy(part: number): Device {
  return {
    ...device,
    compile: async (graph, options) => {
      const executable = await device.compile(graph, options);
      const run: typeof executable.run = (inputs) =>
        executable.run(inputs).map((output) => ({
          ...output,
          destroy: () => output.destroy(),
          read: async () => {
            const value = await output.read();
            return { ...value, data: value.data.map((x) => x * (1 + part)) };
          },
        }));
      return { ...executable, run, destroy: () => executable.destroy() };
    },
  };
}

/** A recurrence over as many steps as x has. */
function recurrence({ x, w, u, h }: Given<"x" | "w" | "u" | "h">): Float {
  const { ys } = scanTensors(
    ([state], [input]) => {
      const next = tanh(add(matmul(state as Float, u), matmul(input as Float, w)));
      return { carries: [next], ys: [next] };
    },
    [h],
    [x],
  );
  return ys[0] as Float;
}
const shapesOf = (time: number) => ({ x: [time, 2, 2], w: [2, 3], u: [3, 3], h: [2, 3] });

describe("a device that is right passes", () => {
  test.each([
    ["lstm", lstm, 64, 1],
    ["gru", gru, 32, 2],
  ] as const)("%s of many units", slow, async (_, definition, units, seed) => {
    const options = { device, units, features: 8, seed, cases: 1, schedules: ["auto"] } as const;
    expect((await checkHosts(definition, options)).failure).toBeUndefined();
    const off = await checkHosts(definition, { ...options, device: offBy(1e-4) });
    expect(off.failure).toMatchObject({ what: "value", cases: 1 });
    expect(off.failure?.error).toBeCloseTo(1e-4, 6);
  });

  test("with a thousand results", async () => {
    const report = await checkHosts(({ x }: Given<"x">) => tanh(x), {
      ...{ device, seed: 2, cases: 1, schedules: ["auto"] },
      arguments: { x: [1000] },
    });
    expect(report.failure).toBeUndefined();
  });

  test("with a time fixed by an argument's shape: tolerances count its steps", async () => {
    const report = await checkHosts(recurrence, {
      ...{ device, seed: 3, cases: 1, schedules: ["stepwise"] },
      arguments: shapesOf(60),
    });
    expect(report).toMatchObject({ undetermined: 0 });
    expect(report.failure).toBeUndefined();
  });

  test("steps and terms are counted correctly", () => {
    const inputs = Object.entries(shapesOf(200)).map(([name, shape]) => ({ name, dtype: "f32" as const, shape }));
    const graph = traceGraph("recurrence", inputs, ([x, w, u, h]) => {
      const ys = recurrence({ x, w, u, h } as Given<"x" | "w" | "u" | "h">);
      return [ys, sum(ys)];
    });
    expect(stepsOf(graph)).toBe(200);
    expect(depthOf(graph)).toBe(200 * 2 * 3);
  });

  test("if f32 hardly determines the result, rounding is measured and reported", async () => {
    const rough = ({ x }: Given<"x">) => floor(mul(x, 1e4));
    const options = { device, seed: 1, cases: 3, schedules: ["auto"], arguments: { x: [40, 3] } } as const;
    const report = await checkHosts(rough, options);
    expect(report.failure).toBeUndefined();
    expect(report.undetermined).toBeGreaterThan(0);
    expect(hostReportLines(report)[1]).toContain("of numbers that f32 does not determine");
  });
});

test("a wrong gradient of a device is reported with the argument and how to repeat it", async () => {
  const wrong: Device = {
    ...device,
    compile: async (graph, options) => {
      const executable = await device.compile(graph, options);
      const run: typeof executable.run = (inputs) =>
        executable.run(inputs).map((output, i) => {
          const read = async () => ({ ...(await output.read()), data: Float64Array.of(i === 2 ? 9 : 0) });
          return i === 0 ? output : { ...output, destroy: () => output.destroy(), read };
        });
      return { ...executable, run, destroy: () => executable.destroy() };
    },
  };
  const zero = ({ a, b }: Given<"a" | "b">) => mul(0, mul(a, b));
  const report = await checkHosts(zero, { device: wrong, seed: 4, cases: 2, arguments: { a: [1], b: [1] } });
  expect(report.failure).toMatchObject({ what: "gradient", argument: "b", cases: 1 });
  const lines = hostReportLines(report);
  expect(lines[1]).toMatch(/^wrong: the gradient \(most with respect to b\), schedule auto/);
  expect(lines[2]).toMatch(/^ {2}B \d, T \d$/);
  expect(lines[3]).toBe("  again: seed 4, cases 1");
});

const doubled = ({ x }: Given<"x">) => sum(square(x));
const shape = { arguments: { x: ["B", 2] } };

describe("invalid options give a one-line error", () => {
  test.each<readonly [string, unknown, unknown, RegExp]>([
    ["no case", gru, { cases: 0 }, /cases is 0; expected a whole number from 1$/],
    ["fewer than none", gru, { cases: -1 }, /cases is -1/],
    ["half a case", gru, { cases: 1.5 }, /cases is 1.5/],
    ["cases that are no number", gru, { cases: Number.NaN }, /cases is NaN/],
    ["a seed that is no number", gru, { seed: Number.NaN }, /seed is NaN/],
    ["a third order", gru, { order: 3 }, /order is 3; expected 1 or 2$/],
    ["no units", gru, { units: 0 }, /units is 0/],
    ["no sizes", gru, { sizes: [] }, /sizes is \[\]; expected a list with at least one entry/],
    ["a misspelt option", gru, { csaes: 3 }, /no option csaes; did you mean cases\?/],
    ["an option of cells", doubled, { ...shape, units: 3 }, /no option units/],
    ["no options", gru, null, /the options are null/],
    ["no cell", { a: 1 }, {}, /the first argument is an object; expected a cell or a function/],
    ["a function without arguments", doubled, {}, /doubled is not a cell; for a function, give its arguments/],
    ["a cell with arguments", gru, shape, /gru is a cell; leave the option arguments out/],
    ["no arguments", doubled, { arguments: {} }, /arguments are empty/],
    ["another symbol", doubled, { arguments: { x: ["N", 2] } }, /shape of x is \["N",2\]; expected .*"B" and "T"/],
    ["no numbers", doubled, { arguments: { x: [0, 2] } }, /shape of x is \[0,2\]/],
    ["a product alone", doubled, { arguments: { x: ["2*B"] } }, /B must also be a whole axis/],
    [
      "an empty domain",
      doubled,
      { arguments: { x: { shape: [2], from: 2, to: 1 } } },
      /the range of x is 2 to 1; expected/,
    ],
    ["a record", ({ x }: Given<"x">) => ({ x }), shape, /returns an object; expected one tensor of f32/],
    ["nothing", () => undefined, shape, /returns undefined/],
    ["whole numbers", ({ x }: Given<"x">) => cast(x, "i32"), shape, /returns a tensor of i32/],
  ])("%s", (_, subject, options, message) => {
    const check = checkGradients as (subject: unknown, options: unknown) => unknown;
    expect(() => check(subject, options)).toThrow(message);
    expect(() => check(subject, options)).not.toThrow(/\n|--units/);
  });

  test.each<readonly [string, object, RegExp]>([
    ["no case", { cases: 0 }, /checkHosts: cases is 0/],
    ["no schedule", { schedules: [] }, /schedules is \[\]; expected a list with at least one entry/],
    [
      "another schedule",
      { schedules: ["foo"] },
      /a list of "auto" or "newton" or "parallel" or "resident" or "persistent" or "stepwise"/,
    ],
    ["no device", { device: undefined }, /the device is missing; pass \{ device: await openDevice\(\) \}/],
  ])("of devices: %s", async (_, options, message) => {
    await expect(checkHosts(gru, { device, ...options })).rejects.toThrow(message);
  });

  test("products of B are allowed if B is a size itself", () => {
    const both = ({ x, y }: Given<"x" | "y">) => add(sum(square(x)), sum(square(y)));
    const report = checkGradients(both, { arguments: { x: ["B"], y: ["2*B"] }, cases: 3, seed: 1 });
    expect(report).toMatchObject({ right: true, comparisons: 6 });
  });
});

describe("functions with a domain", () => {
  const entropy = ({ p }: Given<"p">) => sum(mul(p, log(p)));
  test("are right within it, and without it an error suggests one", () => {
    const within = { arguments: { p: { shape: [2], from: 0.1, to: 1 } }, cases: 5, seed: 1 };
    expect(checkGradients(entropy, within)).toMatchObject({ right: true, comparisons: 5 });
    const lines = reportLines(checkGradients(entropy, { arguments: { p: [2] }, cases: 20, seed: 1 })).join("\n");
    expect(lines).toMatch(/^wrong: the function itself computes NaN; .*p: \{ shape: \[2\], from: 0\.1, to: 2 \}/m);
    expect(lines).toMatch(/smallest failing case: B 1, T 1$/m);
  });

  test("devices are not blamed for results that the interpreter has too", async () => {
    const checked = checkHosts(entropy, { device, arguments: { p: [8] }, cases: 1, seed: 1 });
    await expect(checked).rejects.toThrow(/the interpreter itself computes NaN as value .* from: 0\.1, to: 2/);
  });

  test("an argument's name has no effect: one named like a state is generated", () => {
    const named = ({ "state s": s }: Given<"state s">) => div(1, sum(abs(s)));
    expect(checkGradients(named, { arguments: { "state s": [2] }, cases: 3, seed: 1 }).right).toBe(true);
  });
});

describe("quotients", () => {
  test.each<readonly [string, (x: Float) => Float]>([
    ["sigmoid(100 x)", (x) => sigmoid(mul(x, 100))],
    ["sigmoid(1000 x)", (x) => sigmoid(mul(x, 1000))],
    ["1 / (0.01 + x²)", (x) => div(1, add(0.01, square(x)))],
    ["sin(30 x)", (x) => sin(mul(x, 30))],
    ["sin(1000 x)", (x) => sin(mul(x, 1000))],
    ["tanh(x) + 10⁶", (x) => add(tanh(x), 1e6)],
    ["tanh(x) + 10⁸", (x) => add(tanh(x), 1e8)],
  ])("of what is right accuse nothing: %s", (_, f) => {
    const check = () =>
      checkGradients(({ x }: Given<"x">) => f(x), { arguments: { x: [3] }, cases: 12, seed: 1, order: 2 });
    expect(check().failure).toBeUndefined();
    expect(check().comparisons).toBeGreaterThan(0);
  });

  fewOf<readonly [string, (x: Float) => Float]>(
    [
      ["sigmoid(100 x)", (x) => sigmoid(mul(x, 100))],
      ["1 / (0.01 + x²)", (x) => div(1, add(0.01, square(x)))],
      ["tanh(x) + 10⁶", (x) => add(tanh(x), 1e6)],
    ],
    ([name]) => !name.startsWith("tanh"),
  )("find a derivative that is off by 1e-4: %s", (_, f) => {
    const off = ({ x }: Given<"x">) => add(f(x), mul(1e-4, sub(stopGradient(f(x)), f(x))));
    const { failure } = checkGradients(off, { arguments: { x: [3] }, cases: 12, seed: 1 });
    expect(failure?.fault).toMatchObject({ argument: "x" });
  });

  test("of a function that changes direction within every step are undetermined", () => {
    const chaos = ({ x }: Given<"x">) => [1, 2, 3, 4, 5, 6].reduce((y) => sin(mul(y, 100)), x);
    expect(() => checkGradients(chaos, { arguments: { x: [3] }, cases: 12, seed: 1 })).toThrow(
      /too much rounding or curvature/,
    );
  });

  test("an argument on a kink in every case is named, and the result is not right", () => {
    const half = ({ x, w }: Given<"x" | "w">) => add(abs(sin(mul(x, 1000 * Math.PI))), mul(w, w));
    const report = checkGradients(half, { arguments: { x: [1], w: [1] }, cases: 3, seed: 1 });
    expect(report).toMatchObject({ right: false, uncompared: ["x"] });
    expect(report.failure).toBeUndefined();
    expect(reportLines(report).at(-1)).toBe("not compared in any case: x; all others agree");
  });
});

test("arguments of many numbers", slow, () => {
  const report = checkGradients(doubled, { arguments: { x: [400, 400] }, cases: 1, seed: 3 });
  expect(report.right).toBe(true);
});

test("a failing matcher prints options that repeat it", () => {
  const cut = cell("cut", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
    const next = tanh(dense("k", [x, stopGradient(h)], units));
    return { state: { h: next }, output: next };
  });
  expect(() => expect(cut).toHaveCorrectGradients({ cases: 7, seed: 3, order: 2 })).toThrow(
    "again: { seed: 3, cases: 7, order: 2 }",
  );
});
