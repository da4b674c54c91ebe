/**
 * @file Loops that a compiler of WGSL can prove finite: kernels for GPUs count turns from 0 to a constant, or have a bound
 * that no loop reaches. They add up the same terms as any other loop.
 */
import { afterAll, describe, expect, test } from "vitest";
import type { Dim } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import type { For } from "../../compiler/kernel/ir.ts";
import { statementsIn } from "../../compiler/kernel/walk.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import type { LowerOptions } from "../../compiler/plan/lowering.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { languageModel } from "../../entries/networks.ts";
import * as cg from "../../index.ts";
import { farthest, inputsOf } from "../kernels/inputs.ts";
import { ProgramRunner } from "../support/programs.ts";
import { slow } from "../support/some-of.ts";

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

/** A product and a sum over the rows of the same matrix, whose depth is `depth`. */
function sumsOf(depth: Dim): Graph {
  const inputs = [
    { name: "a", dtype: "f32", shape: [3, depth] },
    { name: "b", dtype: "f32", shape: [depth, 5] },
  ] as const;
  return cg.traceGraph("sums", inputs, ([a, b]) => [
    cg.dot(a as cg.Tensor<"f32">, b as cg.Tensor<"f32">),
    cg.sum(b as cg.Tensor<"f32">, [0]),
  ]);
}

function stepOf(cell: cg.CellDefinition, units: number): Graph {
  const network = languageModel({ cell, units, embed: 3, vocabulary: 5 });
  return cg.trainingStep(network, { optimizer: cg.sgd() }).graph;
}

function loopsOf(graph: Graph, options: LowerOptions): For[] {
  return planProgram(graph, options)
    .kernels.flatMap(({ code }) => code.parts.flatMap(({ body }) => statementsIn(body)))
    .filter((statement) => statement.kind === "for");
}

const isCounted = ({ first, step, end }: For) =>
  [first, step, end].every(({ kind }) => kind === "literal") && Number("value" in first && first.value) === 0;

describe("as many terms as there are", () => {
  test.each([1, 2, 7, 256, 257, 300, 384, 512, 1000])("%d", async (depth) => {
    const graph = sumsOf(depth);
    const inputs = inputsOf(graph, false, {});
    const outputs = await runner.run(graph, inputs, { target: "gpu" });
    expect(farthest(outputs, interpret(graph, inputs))).toBeLessThan(1e-4);
  });

  test.each([1, 2, 7, 300])("%d, a size that is known only when it runs", async (depth) => {
    const graph = sumsOf("B");
    const inputs = inputsOf(graph, false, { B: depth });
    const outputs = await runner.run(graph, inputs, { target: "gpu" });
    expect(farthest(outputs, interpret(graph, inputs))).toBeLessThan(1e-4);
  });

  test("of lanes that do not divide a row", slow, async () => {
    const graph = stepOf(cg.cells.gru as cg.CellDefinition, 70);
    const inputs = inputsOf(graph, false, { B: 3, T: 3 });
    const options = { target: "gpu", schedule: "persistent", tuning: { persistentRows: 2 } } as const;
    expect(await runner.error(graph, inputs, options)).toBeLessThan(1e-5);
  });
});

test("every loop of a kernel for a GPU counts to a constant, or has a bound", () => {
  for (const schedule of ["persistent", "stepwise"] as const) {
    const loops = loopsOf(stepOf(cg.cells.gru as cg.CellDefinition, 70), { target: "gpu", schedule });
    expect(loops.length).toBeGreaterThan(5);
    for (const loop of loops) expect(loop.most !== undefined || isCounted(loop)).toBe(true);
  }
});

test("a known number of terms is cut into blocks of equal length, so that indices are sums of constants", () => {
  const loops = loopsOf(sumsOf(384), { target: "gpu" }).filter(({ axis }) => axis.role === "depth");
  expect(loops.length).toBeGreaterThan(1);
  for (const loop of loops) expect(isCounted(loop)).toBe(true);
  const steps = loops.map(({ end }) => (at([end], 0).kind === "literal" && "value" in end ? end.value : undefined));
  // Of a product in blocks of 192 terms, two to a turn, and of a sum that lanes share, eight to a turn.
  expect(new Set(steps)).toEqual(new Set([96, 6]));
});

test("a software adapter has the loops that its compiler runs fastest", () => {
  const loops = loopsOf(stepOf(cg.cells.gru as cg.CellDefinition, 70), { target: "software" });
  expect(loops.filter(({ most }) => most !== undefined)).toEqual([]);
});
