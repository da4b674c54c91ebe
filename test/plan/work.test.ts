/** @file FLOP and bytes of kernels: small ones compared with counts by hand, and loops equal in every schedule. */
import { expect, test } from "vitest";
import { cells, gru, lstm } from "../../cells/index.ts";
import { compileProgram } from "../../compiler/compile.ts";
import { type CellDefinition, scan } from "../../compiler/dsl/cell.ts";
import { model } from "../../compiler/dsl/model.ts";
import { addDims, type Dim, mulDims } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { dot, gather, reduceMax, scatterAdd } from "../../compiler/ops/contractions.ts";
import { add, cast, less, mul, neg } from "../../compiler/ops/elementwise.ts";
import { where } from "../../compiler/ops/logic.ts";
import { slice } from "../../compiler/ops/pieces.ts";
import { scanTensors } from "../../compiler/ops/scan.ts";
import { type NamedAval, traceGraph } from "../../compiler/ops/trace.ts";
import { tanh } from "../../compiler/ops/transcendental.ts";
import { sum, transpose } from "../../compiler/ops/views.ts";
import type { Dispatch, Loop, Program, Step, Work } from "../../compiler/plan/program.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { languageModel } from "../../train/networks.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import { trainingStep } from "../../train/training-step.ts";
import { fewOf } from "../support/some-of.ts";
import { stepsIn } from "../support/steps.ts";

type Float = Tensor<"f32">;

/** The work of a whole run, with all iterations of loops. */
function totalOf(program: Program): Work {
  const flops: Dim[] = [];
  const bytes: Dim[] = [];
  const walk = (step: Step | Dispatch | Loop, times: Dim): void => {
    if (step.kind === "loop") for (const inner of step.body) walk(inner, mulDims(times, step.length));
    if (step.kind !== "dispatch") return;
    const { work } = at(program.kernels, step.kernel);
    flops.push(...work.flops.map((dim) => mulDims(times, dim)));
    bytes.push(...work.bytes.map((dim) => mulDims(times, dim)));
  };
  for (const step of stepsIn(program, { B: 1 })) walk(step, 1);
  return { flops: addDims(flops), bytes: addDims(bytes) };
}

/** The work of the kernel that has the loop, or runs in it: another can pack weights before it. */
const loopOf = ({ kernels }: Program): Work | undefined => kernels.find(({ loops }) => loops > 0)?.work;

const f32 = (name: string, ...shape: Dim[]): NamedAval => ({ name, dtype: "f32", shape });
const i32 = (name: string, ...shape: Dim[]): NamedAval => ({ name, dtype: "i32", shape });

/** Work of a function that compiles to a single kernel. */
function workOf(inputs: readonly NamedAval[], body: (tensors: readonly Float[]) => Tensor): Work {
  const program = compileProgram(traceGraph("f", inputs, (tensors) => [body(tensors as readonly Float[])]));
  expect(program.kernels).toHaveLength(1);
  return totalOf(program);
}

const [x, y] = [f32("x", "B", 6), f32("y", "B", 6)];
const elements = "24*B";

test.each<[string, readonly NamedAval[], (tensors: readonly Float[]) => Tensor, Work]>([
  [
    "a product: 2 m n k, both matrices and the result once",
    [f32("a", "B", 6), f32("b", 6, 10)],
    ([a, b]) => dot(a as Float, b as Float),
    { flops: ["120*B"], bytes: ["64*B", 240] },
  ],
  [
    "a product whose depth is the batch",
    [f32("a", "B", 6), f32("b", "B", 10)],
    ([a, b]) => dot(a as Float, b as Float, { transposeA: true }),
    { flops: ["120*B"], bytes: ["64*B", 240] },
  ],
  ["a sum: one for each element", [x], ([a]) => sum(a as Float, 1), { flops: ["6*B"], bytes: ["28*B"] }],
  ["a maximum", [x], ([a]) => reduceMax(a as Float, 1), { flops: ["6*B"], bytes: ["28*B"] }],
  ["a tanh counts like an addition", [x], ([a]) => tanh(a as Float), { flops: ["6*B"], bytes: ["48*B"] }],
  [
    "a value that is used twice is computed and read once",
    [x, y],
    ([a, b]) => {
      const product = mul(a as Float, b as Float);
      return add(product, tanh(product));
    },
    { flops: ["18*B"], bytes: ["72*B"] },
  ],
  ["a transpose only moves", [x], ([a]) => transpose(a as Float), { flops: [], bytes: ["48*B"] }],
  [
    "selections and comparisons count as 0",
    [x, y],
    ([a, b]) => where(less(a as Float, b as Float), a as Float, b as Float),
    { flops: [], bytes: ["72*B"] },
  ],
  ["only the elements of a slice are read", [x], ([a]) => slice(a as Float, 1, 2, 3), { flops: [], bytes: [elements] }],
  [
    "a slice of a value that is read whole adds no read",
    [x],
    ([a]) => mul(slice(a as Float, 1, 0, 1), sum(a as Float, 1, { keepAxes: true })),
    { flops: ["7*B"], bytes: ["28*B"] },
  ],
  [
    "a lookup reads one row per index",
    [f32("table", 50, 6), i32("index", "B")],
    ([table, index]) => gather(table as Float, index as unknown as Tensor<"i32">),
    { flops: [], bytes: ["52*B"] },
  ],
  [
    "integers count as 0",
    [i32("n", "B")],
    ([n]) => cast(add(n as Float, n as Float), "f32"),
    { flops: [], bytes: ["8*B"] },
  ],
])("%s", (_, inputs, body, expected) => {
  expect(workOf(inputs, body)).toEqual(expected);
});

test("its transpose adds each element once, and sums that workgroups leave count with the first kernel", () => {
  const graph = traceGraph("f", [i32("index", "B"), x], ([index, a]) => [
    scatterAdd(index as Tensor<"i32">, a as Float, 50),
  ]);
  const [whole, software] = (["gpu", "software"] as const).map((target) => compileProgram(graph, { target }));
  const expected = { flops: ["6*B"], bytes: ["28*B", 1200] };
  const works = [whole, software].map((program) => program?.kernels.map(({ work }) => work));
  expect(works).toEqual([[expected, { flops: [], bytes: [] }], [expected]]);
});

function layer(cell: CellDefinition, units: number, features: number): Graph {
  const run = model("layer", (xs: Float) => scan(cell(units), xs).outputs);
  const specs = run.specs({ dtype: "f32", shape: ["T", "B", features] });
  const inputs = [f32("xs", "T", "B", features), ...specs.map(({ path, shape }) => f32(path, ...shape))];
  return traceGraph("layer", inputs, ([xs, ...weights]) => {
    return [run.apply(Object.fromEntries(specs.map(({ path }, i) => [path, weights[i] as Float])), xs as Float)];
  });
}

const schedules = ["persistent", "stepwise"] as const;

test("a value that is reached in more ways than can be listed counts once, as a whole", () => {
  // Each sum of neighbours has two ways to each of its terms: 2^36 ways to x.
  const { bytes } = workOf([f32("x", "B", 40)], ([x]) => {
    let sums = x as Float;
    for (let width = 39; width > 3; width--) sums = add(slice(sums, 1, 0, width), slice(sums, 1, 1, width));
    return sums;
  });
  expect(bytes).toEqual(["176*B"]);
});

test.each(schedules)("an LSTM layer has the FLOP of its equations, %s", (schedule) => {
  const [units, features] = [12, 5];
  const products = 2 * (features + units) * 4 * units;
  // Four sums of x W, h U and b; four gates; c' of three; h' of two.
  const elementwise = (8 + 4 + 3 + 2) * units;
  const program = compileProgram(layer(lstm as CellDefinition, units, features), { schedule });
  expect(totalOf(program).flops).toEqual([`${products + elementwise}*B*T`]);
});

test("in one dispatch, a loop reads weights and initial states once, and moves xs and ys in every step", () => {
  const units = 12;
  const inputs = [f32("xs", "T", "B", units), f32("h", "B", units), f32("U", units, units)];
  const graph = traceGraph("recurrence", inputs, ([xs, h, u]) => {
    const step = ([before]: readonly Tensor[], [x]: readonly Tensor[]) => {
      const next = tanh(add(dot(before as Float, u as Float), x as Float));
      return { carries: [next], ys: [next] };
    };
    const { carries, ys } = scanTensors(step, [h as Float], [xs as Float]);
    return [...carries, ...ys];
  });
  const [row, weights] = [4 * units, 4 * units * units];
  const [together, stepwise] = schedules.map((schedule) => loopOf(compileProgram(graph, { schedule })));
  expect(together?.bytes).toEqual([`${2 * row}*B*T`, `${2 * row}*B`, weights]);
  // A step: x, the state before and after, y, and the weights again.
  expect(stepwise?.bytes).toEqual([`${4 * row}*B`, weights]);
  expect(stepwise?.flops).toEqual([`${2 * units * units + 2 * units}*B`]);
  expect(together?.flops).toEqual(stepwise?.flops.map((dim) => mulDims("T", dim)));
});

test("results of a loop that are not read are not written", () => {
  const graph = traceGraph("outputs", [f32("xs", "T", "B", 4), f32("h", "B", 4)], ([xs, h]) => {
    const step = ([before]: readonly Tensor[], [x]: readonly Tensor[]) => {
      const next = tanh(add(before as Float, x as Float));
      return { carries: [next], ys: [next] };
    };
    return scanTensors(step, [h as Float], [xs as Float]).ys;
  });
  // The xs and ys, and the first state.
  expect(compileProgram(graph, { schedule: "persistent" }).kernels[0]?.work.bytes).toEqual(["32*B*T", "16*B"]);
});

test("one step of a loop over looked-up rows reads its rows and indices", () => {
  const inputs = [f32("table", 50, 4), i32("tokens", "T", "B"), f32("h", "B", 4)];
  const graph = traceGraph("lookup", inputs, ([table, tokens, h]) => {
    const step = ([before]: readonly Tensor[], [x]: readonly Tensor[]) => {
      return { carries: [add(before as Float, x as Float)], ys: [] };
    };
    const rows = gather(table as Float, tokens as Tensor<"i32">);
    return scanTensors(step, [h as Float], [rows]).carries;
  });
  const [together, stepwise] = schedules.map((schedule) => loopOf(compileProgram(graph, { schedule })));
  // Rows and indices; the state before and after.
  expect(together?.bytes).toEqual(["20*B*T", "32*B"]);
  expect(stepwise?.bytes).toEqual(["52*B"]);
});

test("values that a loop computes from outer values are counted in each step, and read once", () => {
  const inputs = [f32("xs", "T", "B", 4), f32("h", "B", 4), f32("g", 4)];
  const graph = traceGraph("scaled", inputs, ([xs, h, g]) => {
    const scale = neg(g as Float);
    const step = ([before]: readonly Tensor[], [x]: readonly Tensor[]) => {
      return { carries: [add(mul(before as Float, scale), x as Float)], ys: [] };
    };
    return scanTensors(step, [h as Float], [neg(xs as Float)]).carries;
  });
  const programs = schedules.map((schedule) => compileProgram(graph, { schedule }));
  const [together, stepwise] = programs.map(totalOf);
  // Stepwise, the second kernel copies the initial state if there are no steps.
  expect(programs.map(({ kernels }) => kernels.length)).toEqual([1, 2]);
  expect(together).toEqual({ flops: ["12*B*T", "4*T"], bytes: ["16*B*T", "32*B", 16] });
  expect(stepwise).toEqual({ flops: ["12*B*T", "4*T"], bytes: ["48*B*T", "16*T"] });
});

fewOf(Object.entries(cells), ([name]) => name === "rnn")(
  "a training step with %s has the same FLOP in both schedules",
  (_, cell) => {
    const network = languageModel({ cell: cell as CellDefinition, units: 8, layers: 2, vocabulary: 10, embed: 4 });
    const { graph, donate } = trainingStep(network, { optimizer: adam(), clipNorm: 1 });
    const [together, stepwise] = schedules.map((schedule) => totalOf(compileProgram(graph, { donate, schedule })));
    expect(together?.flops.length).toBeGreaterThan(1);
    expect(together?.flops).toEqual(stepwise?.flops);
  },
);

test("the work of a program is the same for every target", () => {
  const graph = layer(gru as CellDefinition, 16, 8);
  const [gpu, software] = (["gpu", "software"] as const).map((target) => totalOf(compileProgram(graph, { target })));
  expect(gpu).toEqual(software);
});
