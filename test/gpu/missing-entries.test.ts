/**
 * @file Views of entries that an axis does not have, which is known only when a program runs, such as the last step of
 * an empty sequence. Interpreter and device reject such sizes with one sentence, and only if a result needs the missing
 * entry.
 */
import { afterAll, describe, expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import type { Dim } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { unmetRequirement } from "../../compiler/graph/requirements.ts";
import { requirementsOf } from "../../compiler/ops/requirements.ts";
import { atSite } from "../../compiler/trace/site.ts";
import { lastOutput } from "../../entries/layers.ts";
import {
  add,
  type Graph,
  gather,
  grad,
  interpret,
  mean,
  mul,
  type NamedAval,
  type NdArray,
  ndarray,
  pad,
  pick,
  reshape,
  scanTensors,
  slice,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  valueAndGrad,
} from "../../index.ts";
import { ProgramRunner } from "../support/programs.ts";
import { numbers } from "../support/same-after.ts";

type Float = Tensor<"f32">;

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

const f32 = (name: string, ...shape: Dim[]): NamedAval => ({ name, dtype: "f32", shape });
const graphOf = (inputs: readonly NamedAval[], f: (...tensors: Float[]) => readonly Tensor[]) =>
  atSite("cell.ts:7:3", () => traceGraph("program", inputs, (tensors) => f(...(tensors as Float[]))));

type Sizes = Readonly<Record<string, number>>;

const randomInputs = ({ inputs, nodes }: Graph, sizes: Sizes): NdArray[] =>
  inputs.map((id, seed) =>
    numbers(
      at(nodes, id).aval.shape.map((dim) => sizes[dim] ?? Number(dim)),
      seed,
    ),
  );

/** [graph, sizes at which it runs, sizes that are rejected, the requirement]. */
const cases: Readonly<
  Record<string, [graph: Graph, runs: readonly Sizes[], refused: readonly Sizes[], asked: string]>
> = {
  "the last row": [
    graphOf([f32("x", "T", "B", 3)], (x) => [slice(x, 0, -1, 1)]),
    [
      { T: 1, B: 2 },
      { T: 3, B: 2 },
      { T: 0, B: 0 },
    ],
    [{ T: 0, B: 2 }],
    "slice at cell.ts:7:3: T must be at least 1, got T=0",
  ],
  "the first row": [
    graphOf([f32("x", "T", "B", 3)], (x) => [tanh(slice(x, 0, 0, 1))]),
    [{ T: 1, B: 2 }],
    [{ T: 0, B: 2 }],
    "slice at cell.ts:7:3: T must be at least 1, got T=0",
  ],
  "the third row, by pick": [
    graphOf([f32("x", "T", "B", 3)], (x) => [pick(x, 2)]),
    [
      { T: 3, B: 2 },
      { T: 2, B: 0 },
    ],
    [
      { T: 2, B: 1 },
      { T: 0, B: 1 },
    ],
    "slice at cell.ts:7:3: T must be at least 3, got T=",
  ],
  "three rows, in the middle of an axis": [
    graphOf([f32("x", 2, "B", 3)], (x) => [slice(x, 1, 1, 3)]),
    [{ B: 4 }],
    [{ B: 3 }, { B: 2 }, { B: 0 }],
    "slice at cell.ts:7:3: B must be at least 4, got B=",
  ],
  "two of the last three rows": [
    graphOf([f32("x", "T", "B")], (x) => [slice(x, 0, -3, 2)]),
    [
      { T: 3, B: 2 },
      { T: 5, B: 1 },
    ],
    [
      { T: 2, B: 2 },
      { T: 1, B: 2 },
    ],
    "slice at cell.ts:7:3: T must be at least 3, got T=",
  ],
  "the largest of several requirements": [
    graphOf([f32("x", "T", 3)], (x) => [slice(x, 0, 0, 1), slice(x, 0, 4, 1), slice(x, 0, -2, 1)]),
    [{ T: 5 }],
    [{ T: 4 }, { T: 1 }, { T: 0 }],
    "slice at cell.ts:7:3: T must be at least 5, got T=",
  ],
  "rows of a merged batch and time axis": [
    graphOf([f32("x", "T", "B", 3)], (x) => [slice(reshape(x, ["B*T", 3]), 0, 0, 4)]),
    [{ T: 2, B: 2 }],
    [{ T: 3, B: 1 }],
    "slice at cell.ts:7:3: B*T must be at least 4, got B*T=3",
  ],
  "rows put into a shorter axis": [
    graphOf([f32("x", 2, 3), f32("t", "T")], (x, t) => [add(sum(pad(x, 0, -2, "T")), sum(t))]),
    [{ T: 0 }, { T: 2 }, { T: 4 }],
    [{ T: 1 }],
    "pad at cell.ts:7:3: T must be at least 2, got T=1",
  ],
  "a loss of the last step": [
    graphOf([f32("x", "T", "B", 3)], (x) => {
      const { value, grad } = valueAndGrad((x: Float) => mean(mul(lastOutput(x), lastOutput(x))))(x);
      return [value, grad];
    }),
    [{ T: 1, B: 2 }],
    [{ T: 0, B: 2 }],
    "slice at cell.ts:7:3: T must be at least 1, got T=0",
  ],
  "a slice in every step of a loop": [
    graphOf([f32("x", "T", "B", 3), f32("h", "B", 3), f32("t", "N", 3)], (x, h, t) => {
      const step = ([c]: readonly Tensor[], [row]: readonly Tensor[]) => {
        const last = slice(t, 0, -2, 1);
        const wide = sum(mul(row as Float, sum(last)), 1, { keepAxes: true });
        return { carries: [add(c as Float, sum(wide))], ys: [mul(c as Float, sum(last))] };
      };
      const { carries, ys } = scanTensors(step, [h], [x]);
      return [...carries, ...ys];
    }),
    [
      { T: 2, B: 2, N: 2 },
      { T: 0, B: 2, N: 2 },
      { T: 0, B: 2, N: 0 },
    ],
    [
      { T: 1, B: 2, N: 1 },
      { T: 1, B: 2, N: 0 },
    ],
    "slice at cell.ts:7:3: N must be at least 2, got N=",
  ],
  "a slice in a nested loop": [
    graphOf([f32("x", "T", "B"), f32("k", "K", "B"), f32("t", "N")], (x, k, t) => {
      const inner = ([c]: readonly Tensor[], [row]: readonly Tensor[]) => ({
        carries: [add(add(c as Float, row as Float), sum(slice(t, 0, 1, 1)))],
        ys: [],
      });
      const outer = ([c]: readonly Tensor[], [row]: readonly Tensor[]) => ({
        carries: [add(at(scanTensors(inner, [c as Float], [k]).carries, 0) as Float, row as Float)],
        ys: [],
      });
      return scanTensors(outer, [sum(x, 0)], [x]).carries;
    }),
    [
      { T: 2, B: 2, K: 2, N: 2 },
      { T: 0, B: 2, K: 2, N: 1 },
      { T: 2, B: 2, K: 0, N: 1 },
    ],
    [{ T: 2, B: 2, K: 1, N: 1 }],
    "slice at cell.ts:7:3: N must be at least 2, got N=1",
  ],
};

describe.each(Object.entries(cases))("%s", (_, [graph, runs, refused, asked]) => {
  test("sufficient sizes return the interpreter's numbers", async () => {
    const schedules = graph.nodes.some(({ op }) => op === "scan") ? (["auto", "stepwise"] as const) : ["auto" as const];
    for (const schedule of schedules) {
      const rounds = runs.map((sizes) => randomInputs(graph, sizes));
      const results = await runner.runs(graph, rounds, { schedule });
      for (const [round, inputs] of rounds.entries()) {
        for (const [i, expected] of interpret(graph, inputs).entries()) {
          const { shape, data } = at(at(results, round), i);
          expect(shape).toEqual(expected.shape);
          for (const [k, value] of expected.data.entries()) expect(data[k]).toBeCloseTo(value, 5);
        }
      }
    }
  });

  test("smaller sizes are rejected", async () => {
    for (const sizes of refused) {
      const inputs = randomInputs(graph, sizes);
      expect(() => interpret(graph, inputs)).toThrow(`program: ${asked}`);
      await expect(runner.run(graph, inputs)).rejects.toThrow(`program: ${asked}`);
    }
  });
});

test("nodes that no result needs require nothing", () => {
  const cut = graphOf([f32("x", "T", "B"), f32("h", "B")], (x, h) => {
    slice(x, 0, -1, 1);
    const step = ([a, b, c]: readonly Tensor[], [row]: readonly Tensor[]) => ({
      // The second carry, and where it starts, feed only itself, the second y is not read, and the third carry feeds
      // the first.
      carries: [add(a as Float, c as Float), mul(b as Float, sum(slice(x, 0, -2, 1))), c as Float],
      ys: [row as Float, mul(a as Float, sum(slice(x, 0, -3, 1)))],
    });
    const { carries, ys } = scanTensors(step, [h, sum(slice(x, 0, 6, 1), 0), sum(slice(x, 0, 4, 1), 0)], [x]);
    return [at(carries, 0), at(ys, 0)];
  });
  expect(requirementsOf(cut)).toEqual([{ op: "slice", site: "cell.ts:7:3", dim: "T", atLeast: 5, elements: "B" }]);
  expect(compileProgram(cut).requires).toEqual(requirementsOf(cut));
  const slope = graphOf([f32("x", "T", "B")], (x) => [grad((x: Float) => sum(slice(x, 0, -1, 1)))(x)]);
  expect(interpret(slope, [ndarray([0, 2], [])])).toEqual([ndarray([0, 2], [])]);
});

test("the message without a source line, for an axis of known extent", () => {
  const requires = [{ op: "slice", site: undefined, dim: 0, atLeast: 1, elements: "B" }];
  expect(unmetRequirement(requires, { B: 0 })).toBeUndefined();
  expect(unmetRequirement(requires, { B: 1 })).toBe(
    "slice: its axis must be at least 1, got 0, so what it reads does not exist; give larger inputs",
  );
});

test.each<[op: string, make: (x: Float, none: Float, i: Tensor<"i32">) => Tensor, message: string]>([
  ["slice", (x) => slice(x, 0, 1, "T"), "cannot take T entries from 1 of an axis of T"],
  ["slice", (x) => slice(x, 0, -1, "T"), "cannot take T entries from -1 of an axis of T"],
  ["pad", (x) => pad(x, 0, 1, "T"), "cannot take T entries from 1 of an axis of T"],
  ["gather", (_, none, i) => gather(none, i), "a table of [0, 3] has no rows; give it at least one"],
])("%s of entries that exist at no size is an error when it is traced", (op, make, message) => {
  const trace = () =>
    traceGraph(
      "program",
      [f32("x", "T", "B"), f32("none", 0, 3), { name: "i", dtype: "i32", shape: ["B"] }],
      ([x, none, i]) => [make(x as Float, none as Float, i as Tensor<"i32">)],
    );
  expect(trace).toThrow(new RegExp(`^${op} at .*missing-entries.test.ts`));
  expect(trace).toThrow(message);
});
