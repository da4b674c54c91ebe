/**
 * @file The order of a sum does not follow from how many lanes are neighbours in a subgroup, however little memory a
 * workgroup has: with some of it, lanes without neighbours leave no memory for more rows, for all partial sums at once, or
 * for a schedule at all. In the evaluator, forward and backward.
 *
 * @module-tag slow
 */
import { expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import type { LowerOptions } from "../../compiler/plan/lowering.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { rendered } from "../../compiler/render.ts";
import * as cg from "../../index.ts";
import { farthest, inputsOf, named } from "../kernels/inputs.ts";
import { long } from "../support/some-of.ts";

type Float = cg.Tensor<"f32">;

const units = 32;
const f32 = (name: string, ...shape: cg.Dim[]) => ({ name, dtype: "f32", shape }) as const;

/** A step with a normalized sum of two products, so that lanes share products and reductions, and its gradient. */
const graph = cg.traceGraph(
  "normalized",
  [f32("x", "T", "B", units), f32("w", units, units), f32("v", units, units), f32("h", "B", units)],
  (tensors) => {
    const { value, grad } = cg.valueAndGrad(([x, w, v, h]: readonly Float[]) => {
      const { carries } = cg.scanTensors(
        ([state], [row]) => {
          const [one, other] = [w, v].map((matrix) => cg.dot(state as Float, matrix as Float)) as [Float, Float];
          const sum = cg.add(one, cg.add(row as Float, cg.tanh(other)));
          return { carries: [cg.tanh(cg.standardize(sum, 1, 0.1))], ys: [] };
        },
        [h as Float],
        [x as Float],
      );
      return cg.sum(cg.sin(carries[0] as Float));
    })(tensors as Float[]);
    return [value, ...(grad as Float[])];
  },
);

const inputs = inputsOf(graph, false, { B: 9, T: 2 });
const expected = cg.interpret(graph, inputs);

/** Registers so few that lanes which are arranged for eight rows are fewer than those for two. */
const registers = { total: 10_000, most: 200, reserved: 0 };
const passBy: LowerOptions = { tuning: { schedule: "persistent" }, registers };
const stay: LowerOptions = { tuning: { schedule: "resident" }, registers: { total: 1e6, most: 300, reserved: 0 } };

function run(options: LowerOptions, maxWorkgroupBytes: number, neighbours: number) {
  const all = { ...options, target: "gpu", maxInvocations: 256, maxWorkgroupBytes, neighbours } as const;
  const program = planProgram(graph, all);
  const loops = rendered(program).kernels.filter(({ chunked }) => chunked);
  return {
    results: evaluateProgram(program, named(graph, inputs), { subgroupSize: neighbours }),
    schedules: program.schedules.map(({ schedule }) => schedule),
    rows: program.schedules.map(({ reason }) => Number(/(\d+) of them/.exec(reason)?.[1])),
    memory: Math.max(0, ...loops.map(({ workgroupBytes }) => workgroupBytes)),
  };
}

/** Runs with different subgroups, which agree in every bit, and have the memory that they need. */
function runAll(options: LowerOptions, bytes: number) {
  const runs = [1, 4, 32].map((neighbours) => run(options, bytes, neighbours));
  const alone = at(runs, 0);
  expect(farthest(alone.results, expected)).toBeLessThan(1e-4);
  for (const { results, schedules, memory } of runs) {
    expect(results).toEqual(alone.results);
    expect(schedules).toEqual(alone.schedules);
    expect(memory).toBeLessThanOrEqual(bytes);
  }
  const { schedules, memory } = alone;
  return { schedules, memory, rows: runs.map(({ rows }) => rows) };
}

test("rows of a workgroup, which are fewer without neighbours", () => {
  const eight = { ...passBy, tuning: { ...passBy.tuning, persistentRows: 8 } };
  for (const bytes of [8192, 4096]) {
    const { schedules, rows } = runAll(eight, bytes);
    expect(schedules).toEqual(["persistent", "persistent"]);
    expect(rows[0]).not.toEqual(rows[2]);
  }
});

test("rows of a workgroup by those of the batch", long, () => {
  expect(runAll(passBy, 4096).schedules).toEqual(["persistent", "persistent"]);
});

test("partial sums, which are exchanged one after the other without neighbours", () => {
  const { schedules, memory } = runAll(stay, 2560);
  expect(schedules).toEqual(["resident", "resident"]);
  expect(memory).toBeGreaterThan(1024);
});

test("the schedule where no row fits without neighbours", () => {
  for (const options of [passBy, stay]) expect(runAll(options, 1024).schedules).toEqual(["stepwise", "stepwise"]);
});
