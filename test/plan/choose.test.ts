/**
 * @file Steps that depend on the size of a dimension: their memory, which branch runs, and the counts of dispatches.
 */
import { expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import { evaluateDim } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { ScanSchedule } from "../../compiler/plan/lowering.ts";
import { Memory, type SlabLayout } from "../../compiler/plan/memory/slabs.ts";
import type { Branch, Choose, Dispatch, Loop, Program, ScanStep } from "../../compiler/plan/program.ts";
import { chooseSteps } from "../../compiler/plan/scan/choose.ts";
import { scanOf } from "../../compiler/plan/scan/scan-context.ts";
import { stepwise } from "../../compiler/plan/scan/stepwise.ts";
import { add, dot, scanTensors, type Tensor, tanh, traceGraph, zeros } from "../../index.ts";
import { countWork } from "../../runtime/count-work.ts";
import { instantiate } from "../../runtime/instance.ts";
import { countDispatches } from "../../runtime/profile.ts";
import { kernelsOf } from "../../runtime/walk.ts";

type Float = Tensor<"f32">;

test("branches share memory, and later values overlap none of them", () => {
  const memory = new Memory(0);
  const place = (from: number, until: number) => memory.place("f32", "B", from, until).offset;
  const before = place(0, 2);
  const [first, second] = memory.alternatives([() => [place(1, 3), place(1, 1)], () => [place(1, 1), place(1, 1)]]);
  expect(second).toEqual(first);
  expect(new Set([before, ...(first ?? [])].map(String)).size).toBe(3);
  // At step 2 the first slot is still read by the first branch, though the second no longer needs it.
  expect(place(2, 2)).toEqual(first?.[1]);
  expect([place(2, 2), place(3, 3)]).not.toContainEqual(first?.[0]);
});

test("on a CPU, values whose sizes are multiples of a page do not begin at the same place of one", () => {
  const starts = (layout: SlabLayout) => {
    const memory = new Memory(0, undefined, false, layout);
    const offsets = Array.from({ length: 8 }, () => memory.place("f32", "1024*B", 0, 1).offset);
    return new Set(
      offsets.map((offset) => offset.reduce<number>((sum, dim) => sum + evaluateDim(dim, { B: 2 }), 0) % 1024),
    );
  };
  expect([starts("staggered").size, starts("vectors").size, starts("dense").size]).toEqual([8, 1, 1]);
});

/** h = tanh(h·W + x) over a length, lowered by the given schedule. */
function loopOf(time: string | number, schedule: ScanSchedule): Program {
  const inputs = [
    { name: "x", dtype: "f32", shape: [time, "B", 4] },
    { name: "w", dtype: "f32", shape: [4, 4] },
  ] as const;
  const graph = traceGraph("loop", inputs, ([x, w]) => {
    const step = ([h]: readonly Tensor[], [row]: readonly Tensor[]) => ({
      carries: [tanh(add(dot(h as Float, w as Float), row as Float))],
      ys: [],
    });
    return scanTensors(step, [zeros(["B", 4])], [x as Float]).carries;
  });
  return compileProgram(graph, { scanSchedules: [["twice", schedule]] });
}

const twice: ScanSchedule = {
  plan: (lowering, context) => {
    const steps = () => stepwise.plan(lowering, context).steps?.() ?? [];
    const { length } = scanOf(context).attrs;
    const branches = [10, undefined].map((atMost) => ({ atMost, steps }));
    return { steps: () => chooseSteps(lowering, length, branches) };
  },
};

test("two equal branches need the memory of one", () => {
  const [once, chosen] = [loopOf("T", stepwise), loopOf("T", twice)];
  expect(chosen.buffers).toEqual(once.buffers);
  expect(chosen.kernels).toHaveLength(2 * once.kernels.length);
});

test("if the length is known, only its branch is lowered", () => {
  for (const time of [10, 11]) {
    const [once, chosen] = [loopOf(time, stepwise), loopOf(time, twice)];
    expect(chosen.kernels).toHaveLength(once.kernels.length);
    expect(chosen.steps).toEqual(once.steps);
  }
});

const run = (kernel: number): Dispatch => ({
  kind: "dispatch",
  kernel,
  grid: [{ rows: [1], rowsPer: 1, columns: [1], lanes: 1 }],
  phase: "forward",
});
const branch = (atMost: number | undefined, ...steps: ScanStep[]): Branch => ({ atMost, steps });
const byTokens: Choose = {
  kind: "choose",
  dim: "B*T",
  branches: [branch(8, run(1)), branch(20, run(2), run(2)), branch(undefined, run(3))],
};
const loop: Loop = { kind: "loop", length: "T", reverse: false, body: [run(0), byTokens], otherwise: [run(4)] };
const kernel = { label: "", site: undefined, about: "", wgsl: "", workgroupSize: 1, bindings: [], uniforms: [] };
const program: Program = {
  version: 1,
  name: "p",
  symbols: ["B", "T"],
  requires: [],
  buffers: [],
  inputs: [],
  outputs: [],
  kernels: [0, 1, 2, 3, 4].map((i) => ({
    ...kernel,
    name: `k${i}`,
    loops: 1,
    chunked: false,
    workgroupBytes: 0,
    work: { flops: [], bytes: [] },
  })),
  schedules: [],
  steps: [loop],
};

test.each([
  { B: 4, T: 2, kernels: [0, 1, 0, 1], needed: [0, 1, 4] },
  { B: 9, T: 1, kernels: [0, 2, 2], needed: [0, 2, 4] },
  { B: 10, T: 2, kernels: [0, 2, 2, 0, 2, 2], needed: [0, 2, 4] },
  { B: 21, T: 1, kernels: [0, 3], needed: [0, 3, 4] },
  { B: 5, T: 0, kernels: [4], needed: [0, 1, 4] },
])("the first branch whose bound is large enough runs: B=$B, T=$T", ({ kernels, needed, ...sizes }) => {
  const steps = instantiate(program, sizes).steps.map((step) => ("kernel" in step ? step.kernel : -1));
  expect(steps).toEqual(kernels);
  expect(countWork(program, sizes).dispatches.forward).toBe(kernels.length);
  const counts = countDispatches(program, sizes);
  for (const i of program.kernels.keys()) expect(at(counts, i)).toBe(kernels.filter((one) => one === i).length);
  expect([...kernelsOf(program.steps, sizes)].sort()).toEqual(needed);
});

test("without sizes, kernels of branches are not needed", () => {
  expect([...kernelsOf(program.steps)].sort()).toEqual([0, 4]);
});
