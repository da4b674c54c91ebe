/** @file How a scan runs, and how many steps one dispatch takes: rules of shapes, limits and what was asked for. */
import { describe, expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import type { LowerOptions, ScanSchedule, ScanSchedules } from "../../compiler/plan/lowering.ts";
import { chunkSteps, flopsOfRow } from "../../compiler/plan/scan/chunks.ts";
import { persistent } from "../../compiler/plan/scan/persistent.ts";
import { scanSchedules } from "../../compiler/plan/scan/schedules.ts";
import { add, dot, scanTensors, type Tensor, tanh, traceGraph, zeros } from "../../index.ts";

type Float = Tensor<"f32">;

/** h = tanh(h·W + x), whose weights are `units` squared, or of a batch's size. */
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
    ["by default", 8, {}, /^persistent: rows of the batch are independent/],
    ["stepwise, asked for", 8, { schedule: "stepwise" }, /^stepwise: it was asked for$/],
    ["stepwise, as a tuning prefers", 8, { tuning: { schedule: "stepwise" } }, /^stepwise: its tuning says so$/],
    ["with more weights than a workgroup should read", 1100, {}, /^stepwise: 4840000 bytes of weights/],
    ["with such weights, asked for", 1100, { schedule: "persistent" }, /^persistent:/],
    ["with such weights, as a tuning prefers", 1100, { tuning: { schedule: "persistent" } }, /^persistent:/],
    [
      "with a row that is too wide, as a tuning prefers",
      4200,
      { tuning: { schedule: "persistent" } },
      /^stepwise: one row needs 33600 bytes/,
    ],
    [
      "asked for, whatever a tuning prefers",
      8,
      { schedule: "persistent", tuning: { schedule: "stepwise" } },
      /^persistent:/,
    ],
  ])("%s", (_, units, options, expected) => {
    expect(schedulesOf(units, options)).toEqual([expect.stringMatching(expected)]);
  });

  test("asked for where it cannot be, is refused", () => {
    expect(() => schedulesOf(4200, { schedule: "persistent" })).toThrow(
      /^scan step cannot run in the schedule persistent: one row needs .*; choose schedule "auto" or "stepwise"$/,
    );
  });

  test("may be a schedule that is given: it is asked for, tried in its place, or refuses", () => {
    /** Persistent, but every step in a dispatch of its own. */
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
    expect(schedulesOf(8, { scanSchedules: given(false) })).toEqual([expect.stringMatching(/^persistent:/)]);
  });
});

describe("steps of a chunk", () => {
  test("fill the time that a dispatch may take, by FLOP and barriers", () => {
    // 64 lanes do 1.28e9 FLOP a second: 1 ms, and 2 µs for a barrier.
    expect(chunkSteps({ flops: 1.28e6, barriers: 1, lanes: 64 }, "gpu")).toBe(24);
    expect(chunkSteps({ flops: 1.28e6, barriers: 501, lanes: 64 }, "gpu")).toBe(12);
    expect(chunkSteps({ flops: 1.28e6, barriers: 0, lanes: 128 }, "gpu")).toBe(49);
    // 1e9 FLOP a second whatever the lanes, and 10 µs for a barrier.
    expect(chunkSteps({ flops: 1e6, barriers: 10, lanes: 4 }, "software")).toBe(454);
  });

  test("are never fewer than one", () => {
    expect(chunkSteps({ flops: 1e12, barriers: 1, lanes: 64 }, "gpu")).toBe(1);
  });

  test("count the FLOP of a row in a step", () => {
    expect(flopsOfRow(["12*B*T", "3*T", 6], "2*B", "T")).toBe((12 + 3 + 6) / 2);
  });
});

test("a step that gives a value of no known size for each row runs stepwise", () => {
  const inputs = [
    { name: "x", dtype: "f32", shape: [5, 4] },
    { name: "h", dtype: "f32", shape: [4] },
    { name: "w", dtype: "f32", shape: [4, "B"] },
  ] as const;
  const graph = traceGraph("loop", inputs, ([x, h, w]) => {
    const step = ([state]: readonly Tensor[], [row]: readonly Tensor[]) => ({
      carries: [add(state as Float, row as Float)],
      ys: [add(w as Float, 1)],
    });
    const { carries, ys } = scanTensors(step, [h as Float], [x as Float]);
    return [...carries, ...ys];
  });
  const [note] = compileProgram(graph).schedules;
  expect(note).toMatchObject({
    schedule: "stepwise",
    reason: "the step gives a value of shape [4, B], which has no known size per row",
  });
});
