/**
 * @file Evaluated kernels return the same numbers as a device and the interpreter: training steps of every cell in both
 * schedules for every kind of device, loops, long sums, scatters and ops. Meanwhile nothing reads out of bounds,
 * uninitialized memory, or elements that another invocation writes.
 */
import { afterAll, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import type { LowerOptions } from "../../compiler/plan/lowering.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { atSite } from "../../compiler/trace/site.ts";
import { languageModel } from "../../entries/networks.ts";
import * as cg from "../../index.ts";
import { farthest, inputsOf, named } from "../kernels/inputs.ts";
import { type GoldenGraph, goldenGraphs } from "../kernels/programs.ts";
import { ProgramRunner } from "../support/programs.ts";
import { fewOf, long, slow } from "../support/some-of.ts";
import { forms } from "../zoo/forms.ts";

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

/** Large graphs, which take minutes here. Products in blocks are tested separately below. */
const large = /units|of 1100 rows|more weights|^products/;
const graphs = goldenGraphs.filter(({ name }) => !large.test(name));

/** Evaluates a graph in some of its ways, and runs it in one of these on the device, if it should. */
async function compare({ name, trace, ways }: GoldenGraph, chosenWays: readonly string[], onDevice?: string) {
  const { graph, donate } = atSite("evaluated", trace);
  const inputs = inputsOf(graph, name.startsWith("op "));
  const expected = interpret(graph, inputs);
  const all = chosenWays.map((way): [string, LowerOptions] => [way, { ...ways[way], ...(donate && { donate }) }]);
  const results = all.map(([, options]) => evaluateProgram(planProgram(graph, options), named(graph, inputs)));
  const errors = Object.fromEntries(all.map(([way], k) => [way, farthest(at(results, k), expected)]));
  expect(errors).toEqual(Object.fromEntries(all.map(([way]) => [way, expect.toSatisfy((error) => error < 1e-5)])));
  const place = all.findIndex(([way]) => way === onDevice);
  if (place < 0) return;
  const [, options] = at(all, place);
  expect(farthest(at(results, place), await runner.run(graph, inputs, { ...options }))).toBeLessThan(1e-5);
}

const numbered = graphs.map((graph, i) => {
  const ways = Object.keys(graph.ways);
  return [graph.name, graph, i, at(ways, i % ways.length)] as const;
});

// One run on the device takes as long as evaluating all ways.
fewOf(numbered, (_, i) => i % 8 === 6)("%s, in one of its ways", (_, graph, i, one) =>
  compare(graph, [one], i % 12 === 0 ? one : undefined),
);

test.each(numbered)("%s", long, async (name, graph, i, one) => {
  // Cells of the zoo are similar: each is tested in one of the two schedules, alternating.
  const ways = Object.keys(graph.ways);
  const half = ways.length / 2;
  const chosen = forms.has(name) ? ways.slice((i % 2) * half, (i % 2) * half + half) : ways;
  const others = chosen.filter((way) => way !== one);
  await compare(graph, others, at(others, i % others.length));
});

const f32 = (name: string, ...shape: cg.Dim[]) => ({ name, dtype: "f32", shape }) as const;
type Float = cg.Tensor<"f32">;

test("products in blocks, through workgroup memory", () => {
  const inputs = [f32("a", 65, 33), f32("b", 33, 35), f32("c", 65, 35)];
  const graph = cg.traceGraph("blocks", inputs, (tensors) => {
    const [a, b, c] = tensors as [Float, Float, Float];
    return [cg.tanh(cg.dot(a, b)), cg.add(cg.dot(a, c, { transposeA: true }), cg.dot(a, c, { transposeA: true }))];
  });
  const numbers = inputsOf(graph, false);
  const program = planProgram(graph, { target: "gpu" });
  expect(program.kernels.some(({ code }) => code.shared.length > 0)).toBe(true);
  expect(farthest(evaluateProgram(program, named(graph, numbers)), interpret(graph, numbers))).toBeLessThan(1e-5);
});

test("workgroups beyond the last do nothing, if a dispatch has two axes of them", slow, () => {
  const { graph, donate } = cg.trainingStep(
    languageModel({ cell: cg.cells.gru as cg.CellDefinition, units: 2, layers: 1, vocabulary: 3, embed: 2 }),
    { optimizer: cg.sgd() },
  );
  const numbers = inputsOf(graph, false, { B: 40, T: 2 });
  const expected = interpret(graph, numbers);
  for (const schedule of ["persistent", "stepwise"] as const) {
    const program = planProgram(graph, { target: "gpu", schedule, donate });
    // More than a tree reduction needs: it has one workgroup for each of its few results, which fit in one axis.
    const results = evaluateProgram(program, named(graph, numbers), { maxWorkgroups: 33 });
    expect(farthest(results, expected)).toBeLessThan(1e-5);
  }
});

test("the number of workgroups is the one that an earlier kernel wrote", () => {
  const inputs = [f32("x", 3), f32("y", 200)];
  const graph = cg.traceGraph("counted", inputs, ([x, y]) => {
    const counts = cg.cast(x as Float, "i32");
    return [counts, cg.add(y as Float, cg.cast(cg.sum(counts), "f32"))];
  });
  const program = planProgram(graph, { target: "gpu" });
  expect(program.kernels.at(-1)?.code.workgroupSize).toBe(64);
  const { buffer, offset } = at(program.outputs, 0).location;
  const y = ndarray([200], new Float64Array(200).fill(1));
  /**
   * The number of elements that the last kernel writes, if its workgroup counts are `size` numbers of x, from `first`
   * on.
   */
  const written = (x: readonly number[], size: number, first = 0) => {
    const indirect = { buffer, offset: [...offset, first], size: [size] };
    const steps = program.steps.map((step, i) => (i === program.steps.length - 1 ? { ...step, indirect } : step));
    const results = evaluateProgram({ ...program, steps }, { x: ndarray([3], x), y });
    return at(results, 1).data.filter((sum) => sum !== 0).length;
  };
  expect([0, 1, 2, 4].map((count) => written([count, 5, 5], 1))).toEqual([0, 64, 128, 200]);
  expect([0, 1, 2].map((count) => written([count, 2, 1], 3))).toEqual([0, 128, 200]);
  expect(() => written([1, 1, 1], 1, 3)).toThrow(/workInts\[3\]: read as a number of workgroups before it was written/);
});
