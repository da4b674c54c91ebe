/**
 * @file Reductions that many lanes share on a GPU, and long ones that many workgroups share: in the evaluator, where a
 * race is a fault, with subgroups of several sizes, whose results must be equal bits, and on a device. Each is compared
 * with the interpreter.
 */
import { afterAll, describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { statementsIn } from "../../compiler/kernel/walk.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import {
  add,
  broadcast,
  cast,
  type Dim,
  dot,
  exp,
  type Graph,
  interpret,
  mul,
  type NdArray,
  reduceMax,
  reshape,
  sub,
  sum,
  type Tensor,
  traceGraph,
} from "../../index.ts";
import { farthest, inputsOf, named } from "../kernels/inputs.ts";
import { ProgramRunner } from "../support/programs.ts";
import { fewOf, slow, someOf } from "../support/some-of.ts";

type Float = Tensor<"f32">;

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

/** A graph of one array of a shape. */
const graphOf = (name: string, shape: readonly Dim[], write: (x: Float) => Tensor | Tensor[]): Graph =>
  traceGraph(name, [{ name: "x", dtype: "f32", shape }], ([x]) => [write(x as Float)].flat());

const shifted = (x: Float, axis: number) => {
  const most = broadcast(reduceMax(x, axis, { keepAxes: true }), x.shape);
  return sum(exp(sub(x, most)), axis);
};

/** Of known and unknown lengths, along rows, columns, in between, and over everything, alone and several together. */
const graphs: readonly Graph[] = [
  graphOf("rows", ["B", 37], (x) => [sum(x, 1), reduceMax(mul(x, 2), 1)]),
  graphOf("rows that wait for their largest", ["B", 70], (x) => shifted(x, 1)),
  graphOf("columns", ["T", "B", 70], (x) => [sum(x, [0, 1]), reduceMax(x, [0, 1]), add(sum(mul(x, x), [0, 1]), 1)]),
  graphOf("few columns", ["T", "B", 5], (x) => sum(x, [0, 1])),
  graphOf("columns that wait for their largest", ["B", 40], (x) => shifted(x, 0)),
  graphOf("columns over two axes that wait for their largest", ["T", "B", 40], (x) => {
    const most = broadcast(reduceMax(x, [0, 1], { keepAxes: true }), x.shape);
    return sum(exp(sub(x, most)), [0, 1]);
  }),
  graphOf("one column to a row", ["B", 19, 3], (x) => sum(x, 1)),
  graphOf("all", ["T", "B", 33], (x) => [sum(x), reduceMax(x)]),
  graphOf("all of a long vector", [32800], (x) => sum(x)),
  graphOf("whole numbers", ["T", "B", 33], (x) => [
    sum(cast(mul(x, 100), "i32")),
    sum(cast(mul(x, 100), "i32"), [0, 1]),
  ]),
  graphOf("columns and a product", ["T", "B", 48], (x) => {
    const rows = reshape(x, ["B*T", 48]);
    return [dot(rows, rows, { transposeA: true }), sum(rows, 0)];
  }),
];

const sizes = [
  { B: 3, T: 7 },
  { B: 1, T: 1 },
  { B: 30, T: 5 },
];

const evaluated = (graph: Graph, inputs: readonly NdArray[], neighbours: number) => {
  const program = planProgram(graph, { target: "gpu", neighbours });
  return evaluateProgram(program, named(graph, inputs), { subgroupSize: neighbours });
};

describe("as the interpreter, and the same bits whatever the subgroups", () => {
  fewOf(
    graphs.map((graph) => [graph.name, graph] as const),
    ([name]) => !/(all|product|columns)/.test(name),
  )("%s", (_, graph) => {
    for (const known of sizes) {
      const inputs = inputsOf(graph, false, known);
      const subgroups = known.B === 3 ? [1, 4, 8, 32] : [32];
      const [first = [], ...others] = subgroups.map((neighbours) => evaluated(graph, inputs, neighbours));
      expect(farthest(first, interpret(graph, inputs))).toBeLessThan(1e-5);
      expect(others).toEqual(others.map(() => first));
    }
  });

  const cases = graphs.map((graph) => [graph.name, graph] as const);
  someOf(cases, (_, i) => i % 3 === 0)("%s on the device", async (_, graph) => {
    const inputs = inputsOf(graph, false, { B: 70, T: 5 });
    const [alone, near] = [
      await runner.run(graph, inputs, { target: "gpu" }),
      await runner.run(graph, inputs, { target: "gpu", neighbours: 4 }),
    ];
    expect(farthest(alone, interpret(graph, inputs))).toBeLessThan(1e-5);
    expect(near).toEqual(alone);
  });
});

test("more terms than a block has, of one unknown number", () => {
  const graph = graphOf("long columns", ["B", 40], (x) => [sum(x, 0), reduceMax(x, 0)]);
  const inputs = inputsOf(graph, false, { B: 1100 });
  expect(farthest(evaluated(graph, inputs, 4), interpret(graph, inputs))).toBeLessThan(1e-5);
});

test("an empty axis, and no position", slow, () => {
  for (const graph of graphs.filter(({ name }) => !name.startsWith("columns that") && !name.startsWith("columns over")))
    for (const known of [
      { B: 3, T: 0 },
      { B: 0, T: 3 },
    ]) {
      const inputs = inputsOf(graph, false, known);
      const rounded = ({ data }: NdArray) => [...data].map((x) => +x.toFixed(3));
      expect(evaluated(graph, inputs, 4).map(rounded)).toEqual(interpret(graph, inputs).map(rounded));
    }
});

test("NaN and infinities are those of the interpreter", slow, () => {
  for (const graph of graphs.slice(0, 9)) {
    const inputs = inputsOf(graph, false, { B: 3, T: 7 });
    const { data } = at(inputs, 0);
    for (const [i, value] of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].entries()) {
      const found = [...data];
      found[found.length - 1 - 2 * i] = value;
      const given = [{ ...at(inputs, 0), data: Float64Array.from(found) }];
      const [own, expected] = [evaluated(graph, given, 4), interpret(graph, given)];
      const special = ({ data: numbers }: NdArray) => [...numbers].map((x) => (Number.isFinite(x) ? 0 : x));
      expect(own.map(special)).toEqual(expected.map(special));
    }
  }
});

test("a sum over time and batch has many workgroups and a second kernel, and each lane some terms", () => {
  const program = planProgram(at(graphs, 2), { target: "gpu" });
  expect(program.kernels).toHaveLength(2);
  const [step, rest] = program.steps;
  if (step?.kind !== "dispatch" || rest?.kind !== "dispatch") throw new Error("no two dispatches");
  expect(step.grid).toMatchObject([{ rows: [70], rowsPer: 32, columns: [64] }]);
  expect(rest.grid).toMatchObject([{ rows: [70], rowsPer: 16, columns: [1] }]);
});

test("loops are bounded by constants", () => {
  for (const graph of graphs) {
    const { kernels } = planProgram(graph, { target: "gpu", tuning: { workgroupTiles: true } });
    const loops = kernels
      .flatMap(({ code }) => code.parts.flatMap(({ body }) => statementsIn(body)))
      .filter((statement) => statement.kind === "for" && statement.axis.role !== "columns");
    for (const loop of loops) {
      if (loop.kind !== "for" || graph.name === "columns and a product") continue;
      const isKnown = [loop.first, loop.end, loop.step].every(({ kind }) => kind === "literal");
      expect(isKnown || loop.most !== undefined).toBe(true);
    }
  }
});
