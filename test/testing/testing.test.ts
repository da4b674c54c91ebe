/** @file The entry "cellgrad/testing": right and wrong results, and their reports. */
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { lif } from "../../cells/zoo.ts";
import {
  arbitraryCell,
  checkGradients,
  checkHosts,
  checkRandomCell,
  f32Tolerance,
  hostReportLines,
  matchers,
  reportLines,
} from "../../entries/testing.ts";
import {
  abs,
  add,
  cell,
  clip,
  cos,
  customGradient,
  type Device,
  dense,
  exp,
  gru,
  lstm,
  matmul,
  mul,
  oneMinus,
  openDevice,
  openInterpreter,
  sigmoid,
  sin,
  stopGradient,
  type Tensor,
  tanh,
} from "../../index.ts";
import { slow } from "../support/some-of.ts";

expect.extend(matchers);

const device = await openDevice({ device: "cpu" });
afterAll(() => device.destroy());

type Given<Names extends string> = Readonly<Record<Names, Tensor<"f32">>>;

/** A gate that blocks the gradient: reverse mode omits a part of the derivative. */
const gateCutOff = cell("gateCutOff", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const z = stopGradient(sigmoid(dense("update", [x, h], units)));
  const next = add(mul(z, h), mul(oneMinus(z), tanh(dense("candidate", [x, h], units))));
  return { state: { h: next }, output: next };
});

describe("gradients", () => {
  test("of cells are right, to first and second order", slow, () => {
    for (const right of [lstm, gru]) {
      const report = checkGradients(right, { cases: 6, seed: 1, order: 2 });
      expect(report.failure).toBeUndefined();
      expect(report.cases).toBe(6);
      // Each weight, the input and each state by itself, and all together a second time.
      expect(report.comparisons).toBe(6 * (right === lstm ? 8 + 1 + 2 + 1 : 6 + 1 + 1 + 1));
    }
  });

  test("that omit a path are wrong: the report has the argument, the smallest case, its numbers, and where the path ends", () => {
    const { failure } = checkGradients(gateCutOff, { cases: 20, seed: 3 });
    expect(failure?.fault.argument).toMatch(/^parameter .*update\/(kernel|bias)$/);
    expect(failure?.case).toMatchObject({ units: 1, features: 1, batch: 1, time: 1 });
    expect(failure?.arguments.map(({ name }) => name)).toContain("x");
    expect(failure?.stops.join()).toContain("testing.test.ts");
  });

  test("a report has readable lines", slow, () => {
    const right = reportLines(checkGradients(gru, { cases: 2, seed: 5 }));
    expect(right[0]).toBe("gru: reverse-mode gradient, 2 random cases (seed 5)");
    expect(right.at(-1)).toBe("right");
    const wrong = reportLines(checkGradients(gateCutOff, { cases: 20, seed: 3 })).join("\n");
    expect(wrong).toMatch(
      /^wrong: the derivative with respect to parameter .*: reverse mode gives .* difference quotient/m,
    );
    expect(wrong).toMatch(/note: stopGradient at .*testing\.test\.ts/);
    expect(wrong).toContain("again: seed 3");
  });

  test("of functions", () => {
    const energy = ({ x, w }: Given<"x" | "w">) => exp(mul(tanh(matmul(x, w)), 0.5));
    const shapes = { x: ["B", 3], w: [3, 2] };
    expect(checkGradients(energy, { arguments: shapes, cases: 10, seed: 1, order: 2 })).toMatchObject({
      name: "energy",
      comparisons: 30,
    });
    const halved = ({ x }: Given<"x">) => mul(x, stopGradient(x));
    expect(checkGradients(halved, { arguments: { x: [2] }, seed: 1 }).failure?.fault.argument).toBe("x");
  });

  test("can be wrong to second order although the first is right", () => {
    // The gradient is x, which is right; what it would be the gradient of, had it been differentiated, is not x²/2.
    const bent = ({ x }: Given<"x">) => add(mul(stopGradient(x), x), mul(stopGradient(mul(x, x)), -0.5));
    expect(checkGradients(bent, { arguments: { x: [3] }, cases: 5, seed: 1 }).failure).toBeUndefined();
    const { failure } = checkGradients(bent, { arguments: { x: [3] }, cases: 5, seed: 1, order: 2 });
    expect(failure?.fault.reason).toMatch(/^second order: /);
  });

  test("a function with a kink at every point is rejected", () => {
    // Numbers are drawn with three decimals, and there the sine is 0.
    const edges = ({ x }: Given<"x">) => abs(sin(mul(x, 1000 * Math.PI)));
    expect(() => checkGradients(edges, { arguments: { x: [1] }, cases: 3, seed: 1 })).toThrow(
      /every case is on a kink/,
    );
  });

  test("a kink among other directions is left out and counted", () => {
    const half = ({ x, w }: Given<"x" | "w">) => add(abs(sin(mul(x, 1000 * Math.PI))), mul(w, w));
    const report = checkGradients(half, { arguments: { x: [1], w: [1] }, cases: 3, seed: 1 });
    expect(report).toMatchObject({ comparisons: 3, kinks: 3 });
  });
});

describe("gradients of a customGradient", () => {
  const shapes = { x: ["B", 3] } as const;
  const scaled = (factor: number) =>
    customGradient(
      (x: Tensor<"f32">) => sin(x),
      (ct, x) => mul(mul(ct, cos(x)), factor),
    );

  test("are right if the vjp matches the function, in both orders", () => {
    const right = ({ x }: Given<"x">) => mul(scaled(1)(x), x);
    const report = checkGradients(right, { arguments: shapes, cases: 5, seed: 1, order: 2 });
    expect(report).toMatchObject({ right: true, comparisons: 10, surrogates: [] });
  });

  test("are right of several results", () => {
    const pair = customGradient(
      (x: Tensor<"f32">) => [sin(x), cos(x)] as const,
      ([first, second], x) => add(mul(first, cos(x)), mul(second, mul(sin(x), -1))),
    );
    const both = ({ x }: Given<"x">) => {
      const [first, second] = pair(x);
      return add(mul(first, x), second);
    };
    expect(checkGradients(both, { arguments: shapes, cases: 3, seed: 1, order: 2 }).right).toBe(true);
  });

  test("are wrong otherwise, with the line and the option for intended surrogates", () => {
    const wrong = ({ x }: Given<"x">) => mul(scaled(1.01)(x), x);
    const report = checkGradients(wrong, { arguments: shapes, cases: 5, seed: 1 });
    expect(report.failure?.customGradients.join()).toMatch(/testing\.test\.ts:\d+/);
    expect(reportLines(report).join("\n")).toMatch(
      /^ {4}note: customGradient at .*testing\.test\.ts:\d+:\d+: reverse mode uses its vjp, .* check with \{ surrogates: true \} \(--surrogates\)$/m,
    );
  });

  test("of a spiking cell are those of its surrogate, which differences cannot show", slow, () => {
    const strict = checkGradients(lif(), { cases: 20, seed: 1 });
    expect(strict.failure?.fault.reason).toMatch(/difference quotient/);
    const report = checkGradients(lif(), { cases: 5, seed: 1, order: 2, surrogates: true });
    expect(report).toMatchObject({ right: true, comparisons: 5 * 6 });
    expect(report.surrogates.join()).toContain("cells/lif.ts");
    expect(reportLines(report).join("\n")).toMatch(
      /against central differences {2}not compared: the vjp of customGradient at cells\/lif\.ts.* was taken as the derivative/,
    );
  });

  test("clipped by a vjp are reported as not linear", () => {
    const clipped = customGradient(
      (x: Tensor<"f32">) => mul(x, 3),
      (ct) => clip(ct, -0.1, 0.1),
    );
    const bounded = ({ x }: Given<"x">) => tanh(clipped(x));
    const report = checkGradients(bounded, { arguments: shapes, cases: 5, seed: 1, surrogates: true });
    expect(reportLines(report).join("\n")).toMatch(
      /its vjp was taken as the derivative; it must be linear in the cotangent$/m,
    );
  });

  test("are unaffected by the option if there is no customGradient", slow, () => {
    const { worst, surrogates } = checkGradients(gru, { cases: 2, seed: 5, surrogates: true });
    expect(worst.difference).toBeGreaterThan(0);
    expect(surrogates).toEqual([]);
    const wrong = checkGradients(gateCutOff, { cases: 20, seed: 3, surrogates: true });
    expect(wrong.right).toBe(false);
  });
});

describe("devices", () => {
  test("return the interpreter's values and gradients in both schedules", async () => {
    const report = await checkHosts(gru, { device, cases: 2, seed: 1 });
    expect(report.failure).toBeUndefined();
    // Two cases, two schedules, value and gradient.
    expect(report.comparisons).toBe(8);
    expect(report.worst).toBeGreaterThan(0);
    expect(hostReportLines(report).at(-1)).toBe("right");
  });

  test("with wrong results are found", async () => {
    const wrong: Device = {
      ...device,
      compile: async (graph, options) => {
        const executable = await device.compile(graph, options);
        return {
          ...executable,
          run: (inputs) => executable.run({ ...inputs, x: { ...(inputs.x as object), ...moved(inputs.x) } as never }),
        };
      },
    };
    const report = await checkHosts(gru, { device: wrong, cases: 1, seed: 1, schedules: ["stepwise"] });
    expect(report.failure).toMatchObject({ schedule: "stepwise", what: "value" });
    expect(hostReportLines(report)[1]).toMatch(/^wrong: the value, schedule stepwise: relative error/);
  });

  test("the interpreter cannot be compared with itself", async () => {
    await expect(checkHosts(gru, { device: openInterpreter() })).rejects.toThrow(/open another device/);
  });

  test("tolerances grow with the square root of the roundings", () => {
    const one = f32Tolerance({ time: 1, depth: 64 });
    expect(f32Tolerance({ time: 100, depth: 64 }) / one).toBeCloseTo(10, 10);
    expect(one).toBeLessThan(1e-4);
  });
});

function moved(x: unknown): { data: Float64Array } {
  const { data } = x as { data: Float64Array };
  return { data: data.map((value) => value * 1.01) };
}

describe("matchers", () => {
  test("pass for a cell that is right", slow, async () => {
    expect(gru).toHaveCorrectGradients({ cases: 3, seed: 1 });
    await expect(gru).toAgreeOnDevice(device, { cases: 1, seed: 1, schedules: ["auto"] });
  });

  test("fail with the smallest case", slow, () => {
    expect(() => expect(gateCutOff).toHaveCorrectGradients({ cases: 20, seed: 3 })).toThrow(
      /smallest failing case: units 1/,
    );
    expect(gateCutOff).not.toHaveCorrectGradients({ cases: 20, seed: 3 });
  });
});

describe("random cells", () => {
  test("are checked in one call, and report why if they are discarded", slow, async () => {
    const drawn = fc.sample(arbitraryCell(), { numRuns: 12, seed: 7 });
    const outcomes = await Promise.all(drawn.map((random) => checkRandomCell(random)));
    expect(outcomes.filter(({ unsuitable }) => unsuitable === undefined).length).toBeGreaterThan(6);
    for (const { gradients } of outcomes) expect(gradients.length).toBeGreaterThan(0);
  });

  test("a wrong executor is found", async () => {
    const [random] = fc.sample(arbitraryCell(), { numRuns: 1, seed: 7 });
    const off = { name: "one that is off", tolerance: 1e-4, execute: async () => [] };
    await expect(random && checkRandomCell(random, [off])).rejects.toThrow(/one that is off|arrays against/);
  });

  test("a failing property prints the smallest cell as source", slow, () => {
    const outcome = fc.check(
      fc.property(arbitraryCell(), ({ plan }) => plan.states.length < 2),
      { seed: 1 },
    );
    expect(outcome.failed).toBe(true);
    const printed = fc.stringify(outcome.counterexample?.[0]);
    expect(printed).toMatch(/^import \{ .* \} from "cellgrad";/);
    expect(printed).toContain('cell("random", ');
    expect(outcome.counterexample?.[0].plan.instructions.length).toBeLessThan(4);
  });
});
