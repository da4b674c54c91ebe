/**
 * @file Scatters that workgroups share on a GPU: compared with the interpreter in the evaluator, where a race, a read past
 * the end or a sum of nothing is a fault, and on a device.
 */
import { afterAll, expect, test } from "vitest";
import type { Shape } from "../../compiler/graph/dim.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { dot, scatterAdd } from "../../compiler/ops/contractions.ts";
import { mul } from "../../compiler/ops/elementwise.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { reshape, sum } from "../../compiler/ops/views.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { farthest, named } from "../kernels/inputs.ts";
import { ProgramRunner } from "../support/programs.ts";
import { slow, someOf } from "../support/some-of.ts";

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

const gpu = { target: "gpu" } as const;

/** Rows of updates, halved, added up by index. */
function scatterOf(rows: number, width: Shape, count: Shape): Graph {
  const avals = [
    { name: "i", dtype: "i32" as const, shape: count },
    { name: "g", dtype: "f32" as const, shape: [...count, ...width] },
  ];
  return traceGraph("scatter", avals, ([i, g]) => [scatterAdd(i as Tensor<"i32">, mul(g as Tensor<"f32">, 0.5), rows)]);
}

function inputsOf(count: readonly number[], width: readonly number[], rowOf: (n: number) => number) {
  const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
  const numbers = (length: number, of: (n: number) => number) => Array.from({ length }, (_, n) => of(n));
  return [
    ndarray(count, numbers(size(count), rowOf), "i32"),
    ndarray(
      [...count, ...width],
      numbers(size(count) * size(width), (n) => Math.fround(Math.sin(1 + 1.7 * n))),
    ),
  ];
}

const cases = [
  [5, [1], [0, 3]],
  [5, [3], [1, 1]],
  [33, [65], [7, 10]],
  [70, [2, 20], [3, 100]],
  [64, [130], [2, 64]],
  [1000, [2], [2, 50]],
  [3, [1], [4, 9000]],
] as const;
someOf(cases, ([, , [, T]]) => T < 1000)("%i rows of %j, of %j updates", (rows, width, [B, T]) => {
  const graph = scatterOf(rows, width, ["T", "B"]);
  // Indices past the end are those of the last row.
  const inputs = inputsOf([T, B], width, (n) => (n * 7) % (rows + 2));
  const outputs = evaluateProgram(planProgram(graph, gpu), named(graph, inputs));
  expect(farthest(outputs, interpret(graph, inputs))).toBeLessThan(1e-5);
});

test("a known number of updates, on a device", async () => {
  const graph = scatterOf(40, [70], [300]);
  const inputs = inputsOf([300], [70], (n) => (n * n) % 40);
  expect(planProgram(graph, gpu).kernels).toHaveLength(2);
  expect(await runner.error(graph, inputs, { ...gpu, maxWorkgroupBytes: 16384 })).toBeLessThan(1e-5);
});

test("one update that is not a number spoils its own row only", () => {
  const graph = scatterOf(8, [3], ["T", "B"]);
  const [indices, updates] = inputsOf([100, 2], [3], (n) => n % 8);
  const data = [...(updates?.data ?? [])];
  data[3 * 5] = Number.NaN;
  const inputs = [indices ?? ndarray([], []), ndarray([100, 2, 3], data)];
  const [result] = evaluateProgram(planProgram(graph, gpu), named(graph, inputs));
  expect([...(result?.data ?? [])].flatMap((x, n) => (Number.isNaN(x) ? [n] : []))).toEqual([15]);
});

test("sums of many updates to one row round no more often than short ones", slow, () => {
  const graph = scatterOf(1, [1], ["T", "B"]);
  const count = 90_000;
  const inputs = [
    ndarray([count, 1], new Array<number>(count).fill(0), "i32"),
    ndarray([count, 1, 1], new Array<number>(count).fill(Math.fround(2.2))),
  ];
  const [result] = evaluateProgram(planProgram(graph, gpu), named(graph, inputs));
  expect(Math.abs((result?.data[0] ?? 0) / (count * Math.fround(2.2) * 0.5) - 1)).toBeLessThan(4e-6);
});

test("beside products in blocks, no kernel takes more workgroup memory than WebGPU guarantees", () => {
  const avals = [
    { name: "i", dtype: "i32" as const, shape: ["T", "B"] },
    { name: "g", dtype: "f32" as const, shape: ["T", "B", 256] },
  ];
  const graph = traceGraph("both", avals, ([i, g]) => {
    const rows = reshape(g as Tensor<"f32">, ["B*T", 256]);
    return [
      scatterAdd(i as Tensor<"i32">, g as Tensor<"f32">, 64),
      dot(rows, rows, { transposeA: true }),
      sum(rows, [0]),
    ];
  });
  const { kernels } = planProgram(graph, { ...gpu, registers: { total: 131072, most: 256, reserved: 64 } });
  for (const { code } of kernels) {
    const bytes = code.shared.map(({ length, slots, element }) => length * slots * (element === "f32x4" ? 16 : 4));
    expect(bytes.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(16384);
  }
});
