/**
 * @file How many dispatches a training step takes where weights stay or pass by: as many at any length of the sequence;
 * and what lets kernels share them, in the evaluator, where a race is a fault.
 */
import { expect, test } from "vitest";
import { gru, lstm } from "../../cells/index.ts";
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import { bucketOf, type DimSizes, evaluateDim } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import type { Step } from "../../compiler/plan/program.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import minimalGatedUnit from "../../examples/minimal-gated-unit.ts";
import {
  add,
  type Dim,
  div,
  dot,
  type Graph,
  interpret,
  less,
  mul,
  reshape,
  sqrt,
  sum,
  type Tensor,
  traceGraph,
  where,
} from "../../index.ts";
import { languageModel } from "../../train/networks.ts";
import { adam, sgd } from "../../train/optimizers/gradient-descent.ts";
import { trainingStep } from "../../train/training-step.ts";
import { farthest, inputsOf, named } from "../kernels/inputs.ts";
import { fewOf, slow } from "../support/some-of.ts";

type Float = Tensor<"f32">;

/** Dispatches of steps at a size; a loop inside a kernel counts once, however it is cut for the watchdog. */
function dispatchesOf(steps: readonly Step[], sizes: DimSizes): number {
  return steps.reduce((sum, step) => {
    if (step.kind === "dispatch") return sum + 1;
    if (step.kind === "loop") return sum + evaluateDim(step.length, sizes) * dispatchesOf(step.body, sizes);
    if (step.kind !== "choose") return sum;
    return sum + dispatchesOf(bucketOf(step.branches, evaluateDim(step.dim, sizes))?.steps ?? [], sizes);
  }, 0);
}

const amd = { total: 131072, most: 256, reserved: 64 };
const onGpu = { target: "gpu", maxInvocations: 1024, registers: amd, neighbours: 32 } as const;

fewOf(
  [
    ["lstm", lstm as CellDefinition, 128, "resident"],
    ["gru", gru as CellDefinition, 128, "resident"],
    ["a custom cell", minimalGatedUnit as CellDefinition, 128, "resident"],
    ["lstm", lstm as CellDefinition, 256, "persistent"],
    ["gru", gru as CellDefinition, 256, "persistent"],
    ["a custom cell", minimalGatedUnit as CellDefinition, 256, "persistent"],
  ],
  ([name]) => name === "gru",
)("a training step of %s with head, loss, clipping and Adam", (_, cell, units, schedule) => {
  const network = languageModel({ cell, units, vocabulary: 64, embed: 64 });
  const { graph, donate } = trainingStep(network, { optimizer: adam(), clipNorm: 1 });
  const program = planProgram(graph, { ...onGpu, donate });
  expect(program.schedules.map((note) => note.schedule)).toEqual([schedule, schedule]);
  for (const B of [1, 16, 256]) {
    const [few = 0, many = 0] = [10, 1000].map((T) => dispatchesOf(program.steps, { B, T }));
    expect(many).toBeLessThanOrEqual(Math.min(few, 15));
    expect(few).toBeLessThanOrEqual(16);
  }
});

const array = (name: string, ...shape: Dim[]) => ({ name, dtype: "f32", shape }) as const;

/** Evaluates a graph's program for a GPU, compares it with the interpreter, and returns its dispatches. */
function checked(graph: Graph, sizes: DimSizes, donate: Readonly<Record<string, number>> = {}): number {
  const program = planProgram(graph, { target: "gpu", donate });
  const inputs = inputsOf(graph, false, sizes);
  expect(farthest(evaluateProgram(program, named(graph, inputs)), interpret(graph, inputs))).toBeLessThan(1e-5);
  return dispatchesOf(program.steps, sizes);
}

test("what reads a long sum adds up its last terms itself, also where an output reuses an input that it reads", () => {
  const inputs = [array("x", 9001), array("y", 130, 70), array("limit")];
  const graph = traceGraph("clipped", inputs, (tensors) => {
    const [x, y, limit] = tensors as [Float, Float, Float];
    const norm = sqrt(sum(mul(x, x)));
    const scaled = mul(x, div(limit, norm));
    const inRows = sum(sum(reshape(mul(y, div(1, norm)), [130, 70]), [1]));
    return [norm, where(less(inRows, 1e9), scaled, x), add(limit, norm), inRows];
  });
  // The sums of pieces of both, one after the other, and all else.
  expect(checked(graph, {}, { limit: 2 })).toBe(3);
  const long = traceGraph("long", [array("x", 2 ** 21)], ([x]) => [mul(x as Float, sum(x as Float))]);
  expect(dispatchesOf(planProgram(long, { target: "gpu" }).steps, {})).toBe(2);
});

test("the sums of chunks wait for those of a later product, at sizes with one plan or another", slow, () => {
  const inputs = [array("x", "T", "B", 40), array("w", 40, 40)];
  const graph = traceGraph("waits", inputs, (tensors) => {
    const [x, w] = tensors as [Float, Float];
    const gram = (a: Float) => dot(a, a, { transposeA: true });
    const first = dot(reshape(x, ["B*T", 40]), w);
    const second = dot(first, w);
    const third = dot(second, w);
    return [mul(gram(first), 2), gram(third), dot(third, w)];
  });
  // Few rows need no second kernel; more have one, for both.
  expect([40, 270].map((T) => checked(graph, { B: 1, T }))).toEqual([4, 5]);
});

test("what only some sizes of the batch need is packed where they do", () => {
  const network = languageModel({ cell: lstm as CellDefinition, units: 256, vocabulary: 5, embed: 3 });
  const { graph } = trainingStep(network, { optimizer: sgd() });
  // Lanes with more rows have fewer registers: the weights are packed for more lanes or fewer.
  const shared = { ...onGpu, registers: { ...amd, total: 65536 }, maxWorkgroupBytes: 65536 };
  const { steps, kernels, buffers } = planProgram(graph, shared);
  const packs = (all: readonly Step[]): number =>
    all.filter((step) => {
      if (step.kind !== "dispatch") return false;
      const { buffers: bound } = at(kernels, step.kernel).code;
      return bound.some(
        ({ array: own, access }) => access === "read_write" && /^panels/.test(at(buffers, own.buffer).name),
      );
    }).length;
  expect(packs(steps)).toBe(0);
  const choices = steps.flatMap((step) => (step.kind === "choose" && step.dim === "B" ? [step] : []));
  expect(choices.map(({ branches }) => branches.map((branch) => packs(branch.steps)))).toEqual([
    expect.arrayContaining([1]),
    expect.arrayContaining([1]),
  ]);
});
