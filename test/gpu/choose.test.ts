/**
 * @file A schedule that depends on a size: in one program, sequences of up to three steps run persistently and longer
 * ones stepwise. Results of both branches are the interpreter's, and kernels of a branch are compiled when it first
 * runs.
 */
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import type { Dim } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, inputName } from "../../compiler/graph/graph.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import type { ScanSchedule, ScanSchedules } from "../../compiler/plan/lowering.ts";
import type { Kernel, Program, Step } from "../../compiler/plan/program.ts";
import { chooseSteps } from "../../compiler/plan/scan/choose.ts";
import { persistent } from "../../compiler/plan/scan/persistent.ts";
import { scanOf } from "../../compiler/plan/scan/scan-context.ts";
import { scanSchedules } from "../../compiler/plan/scan/schedules.ts";
import { stepwise } from "../../compiler/plan/scan/stepwise.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import {
  add,
  dot,
  interpret,
  mul,
  type NdArray,
  scanTensors,
  sum,
  type Tensor,
  tanh,
  traceGraph,
} from "../../index.ts";
import { GpuContext } from "../../runtime/context.ts";
import { LoadedProgram } from "../../runtime/loaded-program.ts";
import { kernelsOf } from "../../runtime/walk.ts";
import { relativeError } from "../../testing/numbers/compare.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";

type Float = Tensor<"f32">;

const context = await GpuContext.open("auto");
afterAll(() => context.destroy());
afterEach(() => {
  vi.restoreAllMocks();
});

/** One schedule up to a size, another above it. */
function bySize(dimOf: (length: Dim) => Dim, atMost: number, small: ScanSchedule, large: ScanSchedule): ScanSchedule {
  return {
    plan: (lowering, scan) => {
      const [below, above] = [small.plan(lowering, scan), large.plan(lowering, scan)];
      if (below.steps === undefined) return below;
      if (above.steps === undefined) return above;
      const branches = [
        { atMost, steps: below.steps },
        { atMost: undefined, steps: above.steps },
      ];
      const dim = dimOf(scanOf(scan).attrs.length);
      return { steps: () => chooseSteps(lowering, dim, branches), reason: `up to ${dim} = ${atMost} in one dispatch` };
    },
  };
}
const byLength: ScanSchedules = [["by length", bySize((length) => length, 3, persistent, stepwise)], ...scanSchedules];
const byBatch: ScanSchedules = [["by batch", bySize(() => "B", 3, stepwise, persistent)], ...scanSchedules];

const units = 4;

/** h = tanh(h·W + x): the last state, all outputs, and a sum of products that reads the last state after the loop. */
const graph = traceGraph(
  "loop",
  [
    { name: "x", dtype: "f32", shape: ["T", "B", units] },
    { name: "h", dtype: "f32", shape: ["B", units] },
    { name: "w", dtype: "f32", shape: [units, units] },
  ],
  ([x, h, w]) => {
    const step = ([before]: readonly Tensor[], [row]: readonly Tensor[]) => {
      const next = tanh(add(dot(before as Float, w as Float), row as Float));
      return { carries: [next], ys: [mul(next, next)] };
    };
    const { carries, ys } = scanTensors(step, [h as Float], [x as Float]);
    return [at(carries, 0), at(ys, 0), sum(mul(at(carries, 0) as Float, dot(h as Float, w as Float)))];
  },
);

function inputsOf(of: Graph, sizes: Readonly<Record<string, number>>): NdArray[] {
  const random = generator(5);
  return of.inputs.map((id) => {
    const { shape } = at(of.nodes, id).aval;
    return randomFloats(
      random,
      shape.map((dim) => (typeof dim === "number" ? dim : (sizes[dim] ?? 0))),
    );
  });
}

const named = (of: Graph, inputs: readonly NdArray[]) =>
  Object.fromEntries(of.inputs.map((id, i) => [inputName(of, id), at(inputs, i)]));

/** Runs at given sizes, compares the results with the interpreter's, and returns them. */
async function checkedRun(loaded: LoadedProgram, of: Graph, sizes: Readonly<Record<string, number>>) {
  const inputs = inputsOf(of, sizes);
  const outputs = loaded.run(named(of, inputs));
  const results = await Promise.all(outputs.map((output) => output.read()));
  for (const output of outputs) output.destroy();
  expect(relativeError(results, interpret(of, inputs))).toBeLessThan(1e-5);
  return results.map(({ data }) => [...data]);
}

function countedPipelines() {
  const later = vi.spyOn(context.device, "createComputePipelineAsync");
  const now = vi.spyOn(context.device, "createComputePipeline");
  return () => [later.mock.calls.length, now.mock.calls.length];
}

/** A program whose kernels no other test has compiled, since they contain a constant of this name. */
function fresh(program: Program, text: string): Program {
  const wgsl = (kernel: Kernel) => `${kernel.wgsl}\nconst ${text} = 0u;`;
  return { ...program, kernels: program.kernels.map((kernel) => ({ ...kernel, wgsl: wgsl(kernel) })) };
}

test.each([
  ["by length", byLength, { T: 3, B: 2 }, { T: 4, B: 2 }],
  ["by batch", byBatch, { T: 5, B: 3 }, { T: 5, B: 4 }],
] as const)(
  "%s: both branches are right, and each compiles its own kernels when it first runs",
  async (name, scanSchedules, small, large) => {
    const program = fresh(compileProgram(graph, { ...context.compileLimits, scanSchedules }), name.replace(" ", "_"));
    expect(program.schedules.map(({ schedule }) => schedule)).toEqual([name]);
    const [always, below, above] = [undefined, small, large].map((sizes) => kernelsOf(program.steps, sizes).size);
    expect([below, above].every((count = 0) => count > (always ?? 0))).toBe(true);

    const counts = countedPipelines();
    const loaded = await LoadedProgram.load(context, program);
    expect([loaded.pipelineCount, ...counts()]).toEqual([always, always, 0]);
    const first = await checkedRun(loaded, graph, small);
    expect([loaded.pipelineCount, ...counts()]).toEqual([below, always, (below ?? 0) - (always ?? 0)]);
    await checkedRun(loaded, graph, large);
    expect(loaded.pipelineCount).toBe(program.kernels.length);
    const all = counts();
    // A branch that has run stays compiled, at other sizes too, and returns the same bits.
    expect(await checkedRun(loaded, graph, small)).toEqual(first);
    await checkedRun(loaded, graph, { T: small.T, B: 1 });
    await checkedRun(loaded, graph, { T: large.T + 1, B: large.B });
    await checkedRun(loaded, graph, { T: 0, B: large.B });
    expect(counts()).toEqual(all);
    loaded.destroy();
  },
);

/**
 * Every step of a loop over time runs an inner loop over K, which has its own choice; the values around it need memory
 * too.
 */
const nested = traceGraph(
  "nested",
  [
    { name: "x", dtype: "f32", shape: ["T", "K", "B", units] },
    { name: "h", dtype: "f32", shape: ["B", units] },
    { name: "w", dtype: "f32", shape: [units, units] },
  ],
  ([x, h, w]) => {
    const inner = ([before]: readonly Tensor[], [row]: readonly Tensor[]) => ({
      carries: [tanh(add(dot(before as Float, w as Float), row as Float))],
      ys: [],
    });
    const outer = ([before]: readonly Tensor[], [rows]: readonly Tensor[]) => {
      const { carries } = scanTensors(inner, [dot(before as Float, w as Float)], [rows as Float]);
      return { carries: [dot(add(at(carries, 0) as Float, before as Float), w as Float)], ys: [] };
    };
    return scanTensors(outer, [h as Float], [x as Float]).carries;
  },
);

test("a nested loop has its own choice", async () => {
  const program = compileProgram(nested, { ...context.compileLimits, scanSchedules: byLength });
  expect(program.steps.some((step) => step.kind === "loop" && step.body.some(({ kind }) => kind === "choose"))).toBe(
    true,
  );
  const loaded = await LoadedProgram.load(context, program);
  for (const K of [3, 4]) await checkedRun(loaded, nested, { T: 2, K, B: 2 });
  loaded.destroy();
});

test("a profile has the kernels of the branch that ran", async () => {
  const program = compileProgram(graph, { ...context.compileLimits, scanSchedules: byLength });
  const loaded = await LoadedProgram.load(context, program);
  const counts = countedPipelines();
  for (const T of [3, 4]) {
    const inputs = inputsOf(graph, { T, B: 2 });
    const profile = await loaded.profile(named(graph, inputs));
    const ran = [...kernelsOf(program.steps, { T, B: 2 })].map((i) => at(program.kernels, i).name);
    expect(profile.every(({ name }) => ran.includes(name))).toBe(true);
    expect(profile.reduce((total, { dispatches }) => total + dispatches, 0)).toBe(T === 3 ? 3 : 2 + T);
  }
  // A profile waits for kernels, so they are compiled asynchronously.
  expect(counts()[1]).toBe(0);
  loaded.destroy();
});

test("a kernel of a branch that does not compile fails the run that needs it, with its name, and is not cached", async () => {
  const valid = compileProgram(graph, { ...context.compileLimits, scanSchedules: byLength });
  const always = kernelsOf(valid.steps);
  const [broken = -1] = [...kernelsOf(valid.steps, { T: 9, B: 2 })].filter((kernel) => !always.has(kernel));
  const text = (kernel: Kernel, i: number) => (i === broken ? `${kernel.wgsl}\nnonsense` : kernel.wgsl);
  const kernels = valid.kernels.map((kernel, i) => ({ ...kernel, wgsl: text(kernel, i) }));
  const counts = countedPipelines();
  for (const round of [1, 2]) {
    const loaded = await LoadedProgram.load(context, { ...valid, kernels });
    await checkedRun(loaded, graph, { T: 2, B: 2 });
    const before = at(counts(), 1);
    const said = `kernel ${valid.kernels[broken]?.name} .* does not compile: error in line`;
    await expect(checkedRun(loaded, graph, { T: 4, B: 2 }), `round ${round}`).rejects.toThrow(new RegExp(said));
    expect(at(counts(), 1)).toBeGreaterThan(before);
    await checkedRun(loaded, graph, { T: 2, B: 2 });
    loaded.destroy();
  }
});

test("the evaluator runs the same branches", () => {
  const program = planProgram(graph, { scanSchedules: byLength });
  /** The same program with an empty last branch. */
  const hollow = (step: Step): Step => {
    if (step.kind !== "choose") return step;
    return { ...step, branches: step.branches.map((one) => (one.atMost === undefined ? { ...one, steps: [] } : one)) };
  };
  const steps = program.steps.map(hollow);
  for (const T of [3, 4]) {
    const inputs = inputsOf(graph, { T, B: 2 });
    const expected = interpret(graph, inputs);
    expect(relativeError(evaluateProgram(program, named(graph, inputs)), expected)).toBeLessThan(1e-5);
    const run = () => evaluateProgram({ ...program, steps }, named(graph, inputs));
    if (T === 3) expect(relativeError(run(), expected)).toBeLessThan(1e-5);
    else expect(run).toThrow(/read before it was written/);
  }
});
