/** @file How a scan runs, and how many steps one dispatch runs: rules of shapes, limits and options. */
import { describe, expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import type { LowerOptions, ScanSchedule, ScanSchedules } from "../../compiler/plan/lowering.ts";
import type { Step } from "../../compiler/plan/program.ts";
import { chunkSteps, flopsOfRow } from "../../compiler/plan/scan/chunks.ts";
import { persistent } from "../../compiler/plan/scan/persistent.ts";
import { scanSchedules } from "../../compiler/plan/scan/schedules.ts";
import { add, dot, mul, scanTensors, type Tensor, tanh, traceGraph, zeros } from "../../index.ts";

type Float = Tensor<"f32">;

/** The schedules chosen for h = tanh(h·W + x) with `units` × `units` weights. */
function schedulesOf(units: number, options: LowerOptions): string[] {
  const inputs = [
    { name: "x", dtype: "f32", shape: ["T", "B", units] },
    { name: "w", dtype: "f32", shape: [units, units] },
  ] as const;
  const graph = traceGraph("loop", inputs, ([x, w]) => {
    const step = ([h]: readonly Tensor[], [row]: readonly Tensor[]) => ({
      carries: [tanh(add(dot(h as Float, w as Float), row as Float))],
      ys: [],
    });
    return scanTensors(step, [zeros(["B", units])], [x as Float]).carries;
  });
  return compileProgram(graph, options).schedules.map(({ schedule, reason }) => `${schedule}: ${reason}`);
}

describe("how a scan runs", () => {
  test.each<[string, number, LowerOptions, RegExp]>([
    [
      "by default",
      8,
      {},
      /^resident: 32 lanes hold the weights of a step in registers, 2 to a lane; above 64 rows 64 lanes$/,
    ],
    ["more weights than registers", 96, {}, /^persistent: rows of the batch are independent/],
    ["no registers on a software adapter", 8, { target: "software" }, /^persistent: rows of the batch/],
    ["weights that stay, on request", 8, { target: "software", schedule: "resident" }, /^resident: 32 lanes/],
    ["stepwise on request", 8, { schedule: "stepwise" }, /^stepwise: it was asked for$/],
    ["stepwise in a tuning", 8, { tuning: { schedule: "stepwise" } }, /^stepwise: its tuning says so$/],
    ["many weights, which lanes load in vectors", 1100, {}, /^persistent:/],
    ["many weights, one by one", 1100, { target: "software" }, /^stepwise: 4840000 bytes of weights/],
    ["too many weights for one workgroup", 1500, {}, /^stepwise: 9000000 bytes of weights/],
    ["too many weights, persistent on request", 1500, { schedule: "persistent" }, /^persistent:/],
    ["too many weights, persistent in a tuning", 1500, { tuning: { schedule: "persistent" } }, /^persistent:/],
    [
      "a row too wide for workgroup memory, persistent in a tuning",
      4200,
      { tuning: { schedule: "persistent" } },
      /^stepwise: one row needs 33600 bytes/,
    ],
    ["a tuning of a persistent workgroup", 8, { tuning: { persistentRows: 2 } }, /^persistent: rows .* 2 of them/],
    ["a request overrides a tuning", 8, { schedule: "persistent", tuning: { schedule: "stepwise" } }, /^persistent:/],
  ])("%s", (_, units, options, expected) => {
    expect(schedulesOf(units, options)).toEqual([expect.stringMatching(expected)]);
  });

  test("a requested schedule that cannot run is an error", () => {
    expect(() => schedulesOf(4200, { schedule: "persistent" })).toThrow(
      /^scan step cannot run in the schedule persistent: one row needs .*; choose schedule "auto" or "newton" or "parallel" or "resident" or "stepwise"$/,
    );
  });

  test("a schedule in `scanSchedules` is tried in its order, and may refuse", () => {
    /** Persistent, but with one dispatch per step. */
    const stepByStep: ScanSchedule = {
      plan: (lowering, context) => {
        const plan = persistent.plan({ ...lowering, chunkSteps: 1 }, context);
        return plan.steps === undefined ? plan : { steps: plan.steps, reason: "every step is a dispatch" };
      },
    };
    const given = (first: boolean): ScanSchedules =>
      first ? [["step by step", stepByStep], ...scanSchedules] : [...scanSchedules, ["step by step", stepByStep]];
    expect(schedulesOf(8, { scanSchedules: given(true) })).toEqual(["step by step: every step is a dispatch"]);
    expect(schedulesOf(4200, { scanSchedules: given(true) })).toEqual([expect.stringMatching(/^stepwise: one row/)]);
    expect(schedulesOf(8, { scanSchedules: given(false) })).toEqual([expect.stringMatching(/^resident:/)]);
  });
});

describe("weights that stay", () => {
  const amd = { total: 4 * 1024 * 32, most: 256, reserved: 64 };
  const large = { maxInvocations: 1024, registers: amd };

  test.each<[string, number, LowerOptions, RegExp]>([
    ["few weights to a lane", 128, large, /^resident: 1024 lanes .*, 16 to a lane; above 64 rows 128 lanes$/],
    ["lanes as the limit allows", 128, { ...large, maxInvocations: 300 }, /^resident: 256 lanes .*, 64 to a lane;/],
    ["no more lanes than pay", 64, large, /^resident: 512 lanes .*, 8 to a lane; above 64 rows 64 lanes$/],
    ["as many lanes as the device has", 256, large, /^resident: 1024 lanes .*, 64 to a lane$/],
    ["registers of all lanes together", 512, large, /^persistent:/],
    [
      "registers that all lanes of a multiprocessor share",
      256,
      { maxInvocations: 1024, registers: { total: 65_536, most: 255, reserved: 24 } },
      /^persistent:/,
    ],
    ["fewer lanes than columns", 512, { registers: amd }, /^persistent:/],
    ["more registers in a tuning", 128, { tuning: { weightRegisters: 64 } }, /^resident: 256 lanes .*, 64 to a lane$/],
    ["fewer registers in a tuning", 256, { ...large, tuning: { weightRegisters: 32 } }, /^persistent:/],
    ["lanes in a tuning", 128, { ...large, tuning: { columnLanes: 4 } }, /^resident: 512 lanes .*, 32 to a lane$/],
    ["more lanes in a tuning than there are", 128, { ...large, tuning: { columnLanes: 16 } }, /^resident: 1024 lanes/],
    ["a depth that slices do not divide", 33, large, /^resident: 33 lanes .*, 33 to a lane$/],
  ])("%s", (_, units, options, expected) => {
    expect(schedulesOf(units, options)).toEqual([expect.stringMatching(expected)]);
  });

  test.each<[string, number, LowerOptions, RegExp]>([
    ["registers", 96, {}, /each of 192 lanes would hold 48 weights, and has registers for 32; choose/],
    ["lanes", 300, large, /its widest product has 300 columns/],
    ["a CPU", 8, { target: "cpu" }, /a CPU keeps weights in its caches/],
  ])("on request, says why not: %s", (_, units, options, reason) => {
    const limits = units === 300 ? { maxInvocations: 256 } : {};
    expect(() => schedulesOf(units, { ...options, ...limits, schedule: "resident" })).toThrow(reason);
  });
});

describe("time in parallel", () => {
  /** The schedules chosen for s = a s + b of [rows, 64] over some steps, and the sizes that steps depend on. */
  const affine = (rows: number | string, length: number | string, options: LowerOptions = {}) => {
    const inputs = [
      { name: "s", dtype: "f32", shape: [rows, 64] },
      { name: "a", dtype: "f32", shape: [length, rows, 64] },
    ] as const;
    const graph = traceGraph("loop", inputs, ([s, a]) => {
      const step = ([state]: readonly Tensor[], [x]: readonly Tensor[]) => {
        const next = mul(state as Float, x as Float);
        return { carries: [next], ys: [next] };
      };
      const { carries, ys } = scanTensors(step, [s as Float], [a as Float]);
      return [...carries, ...ys];
    });
    const { schedules, steps } = compileProgram(graph, options);
    const bounds = (all: readonly Step[]): string[] =>
      all.flatMap((step) =>
        step.kind === "choose"
          ? step.branches.flatMap(({ atMost, steps }) => [`${step.dim} ${atMost ?? "more"}`, ...bounds(steps)])
          : [],
      );
    return { first: `${schedules[0]?.schedule}: ${schedules[0]?.reason}`, bounds: bounds(steps) };
  };

  test("is chosen by length and batch", () => {
    const { first, bounds } = affine("B", "T");
    expect(first).toBe(
      "parallel: its carries are affine: chunks of 64 steps run at once, if there are more than 128 and at most 16384 positions in each",
    );
    expect(bounds).toEqual(["T 128", "T more", "B 256", "B more"]);
    expect(affine("B", "T", { schedule: "parallel" }).bounds).toEqual(["T 0", "T more"]);
    expect(affine("B", 500).bounds).toEqual(["B 256", "B more"]);
    expect(affine(4, "T").bounds).toEqual(["T 128", "T more"]);
    expect(affine("B", "T", { target: "software" }).bounds).toEqual(["T 128", "T more", "B 4", "B more"]);
  });

  test.each<[string, number | string, number | string, LowerOptions, RegExp]>([
    ["few steps", "B", 128, {}, /^resident: it has 128 steps|^persistent: rows/],
    ["a full device", 300, "T", {}, /^(resident|persistent)/],
    ["a CPU", "B", "T", { target: "cpu" }, /^persistent/],
    ["a software adapter and more than 256 positions", 5, "T", { target: "software" }, /^persistent/],
  ])("is not chosen for %s, but on request", (_, rows, length, options, expected) => {
    expect(affine(rows, length, options).first).toMatch(expected);
    expect(affine(rows, length, { ...options, schedule: "parallel" }).first).toMatch(/^parallel: its carries/);
  });

  test("is refused with the op that decides", () => {
    expect(() => schedulesOf(8, { schedule: "parallel" })).toThrow(
      /^scan step cannot run in the schedule parallel: carry 0 is dense because of dot.*; choose schedule "auto" or "newton" or "resident"/,
    );
  });
});

describe("steps of a chunk", () => {
  test("fill the time budget of a dispatch, by FLOP and barriers", () => {
    // 64 lanes do 1.28e9 FLOP per second: 1 ms per step, plus 2 µs per barrier.
    expect(chunkSteps({ flops: 1.28e6, barriers: 1, lanes: 64 }, "gpu")).toBe(24);
    expect(chunkSteps({ flops: 1.28e6, barriers: 501, lanes: 64 }, "gpu")).toBe(12);
    expect(chunkSteps({ flops: 1.28e6, barriers: 0, lanes: 128 }, "gpu")).toBe(49);
    // 1e9 FLOP per second for any number of lanes, and 10 µs per barrier.
    expect(chunkSteps({ flops: 1e6, barriers: 10, lanes: 4 }, "software")).toBe(454);
  });

  test("are at least one", () => {
    expect(chunkSteps({ flops: 1e12, barriers: 1, lanes: 64 }, "gpu")).toBe(1);
  });

  test("use the FLOP of one row in one step", () => {
    expect(flopsOfRow(["12*B*T", "3*T", 6], "2*B", "T")).toBe((12 + 3 + 6) / 2);
  });
});

test("a step that returns a value of unknown size per row runs stepwise", () => {
  const inputs = [
    { name: "x", dtype: "f32", shape: [5, 4] },
    { name: "h", dtype: "f32", shape: [4] },
    { name: "w", dtype: "f32", shape: [4, "B"] },
  ] as const;
  const graph = traceGraph("loop", inputs, ([x, h, w]) => {
    const step = ([state]: readonly Tensor[], [row]: readonly Tensor[]) => ({
      carries: [mul(add(state as Float, row as Float), state as Float)],
      ys: [add(w as Float, 1)],
    });
    const { carries, ys } = scanTensors(step, [h as Float], [x as Float]);
    return [...carries, ...ys];
  });
  const [note] = compileProgram(graph).schedules;
  expect(note).toMatchObject({
    schedule: "stepwise",
    reason: "the step returns a value of shape [4, B], which has no known size per row",
  });
});
