/**
 * @file The cost of compiling, counted and not timed: how often nodes of a training step are accessed. Twice the layers
 * may cost twice as much.
 */
import { expect, test } from "vitest";
import { lstm } from "../../cells/lstm.ts";
import { buildProgram, compileProgram } from "../../compiler/compile.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { removeDead } from "../../compiler/passes/dead.ts";
import { simplify } from "../../compiler/passes/simplify.ts";
import { lower } from "../../compiler/plan/lower.ts";
import type { Step } from "../../compiler/plan/program.ts";
import { passes } from "../../compiler/plan-program.ts";
import {
  adam,
  add,
  dot,
  interpret,
  ndarray,
  scanTensors,
  slice,
  sub,
  sum,
  type Tensor,
  type TrainingStep,
  tanh,
  traceGraph,
  trainingStep,
  zeros,
} from "../../index.ts";
import { languageModel } from "../../train/networks.ts";
import { slow } from "../support/some-of.ts";

type Float = Tensor<"f32">;

/** Eight layers cost as much as twice four, minus what both have once: embedding, head and optimizer. */
const mostGrowth = 2.1;

function stepOf(layers: number, units = 8): TrainingStep {
  return trainingStep(languageModel({ cell: lstm, units, layers, vocabulary: 11, embed: units }), {
    optimizer: adam(),
    clipNorm: 1,
  });
}

/** How often `body` accesses the nodes of a graph and of the bodies of its loops. */
function looks(graph: Graph, body: (graph: Graph) => void): number {
  let count = 0;
  const counted = (inner: Graph): Graph => ({
    ...inner,
    nodes: new Proxy(
      inner.nodes.map((node) =>
        node.op === "scan" ? { ...node, attrs: { ...node.attrs, body: counted(node.attrs.body) } } : node,
      ),
      {
        get: (nodes, key, receiver) => {
          count += 1;
          return Reflect.get(nodes, key, receiver);
        },
      },
    ),
  });
  body(counted(graph));
  return count;
}

const [four, eight] = [stepOf(4), stepOf(8)];

test.each(passes.map(({ name, run }) => [name, run] as const))("pass %s", (_, run) => {
  const [half, whole] = [four, eight].map(({ graph }) => looks(graph, run)) as [number, number];
  expect(whole / half).toBeLessThan(mostGrowth);
});

test.each([
  ["numbers", false],
  ["products", true],
])("sums of neighbours, cut again and again, of %s", (_, isProduct) => {
  const inputs = [
    { name: "x", dtype: "f32", shape: ["B", 40] },
    { name: "w", dtype: "f32", shape: [40, 40] },
  ] as const;
  /** Each of `levels` sums reads the one before in two slices. */
  const graph = (levels: number) =>
    traceGraph("sums", inputs, ([x, w]) => {
      let sums = (isProduct ? dot(x as Float, w as Float) : x) as Float;
      for (let width = 39; width > 39 - levels; width--) sums = add(slice(sums, 1, 0, width), slice(sums, 1, 1, width));
      return [sums];
    });
  const nodes = (levels: number) => passes.reduce((current, { run }) => run(current), graph(levels)).nodes.length;
  const interpreted = (of: Graph) =>
    interpret(of, [
      ndarray(
        [1, 40],
        new Float64Array(40).map((_, i) => Math.sin(i)),
      ),
      ndarray(
        [40, 40],
        new Float64Array(1600).map((_, i) => Math.cos(i)),
      ),
    ]);
  const passed = passes.reduce((current, { run }) => run(current), graph(5));
  const [before, after] = [graph(5), passed].map((of) => [...(interpreted(of)[0]?.data ?? [])]);
  for (const [i, value] of (before ?? []).entries()) expect(after?.[i]).toBeCloseTo(value, 9);
  // Places of parts, not ways to reach them: at most their square.
  expect(nodes(12) / nodes(6)).toBeLessThan(4.5);
});

test.each(["persistent", "stepwise"] as const)("lowering, %s", slow, (schedule) => {
  const [half, whole] = [four, eight].map(({ graph, donate }) => {
    const passed = passes.reduce((current, { run }) => run(current), graph);
    return looks(passed, (counted) => void lower(counted, { donate, schedule }));
  }) as [number, number];
  expect(whole / half).toBeLessThan(mostGrowth);
});

test("a small limit of bound buffers does not require a second lowering", slow, () => {
  const { graph, donate } = eight;
  const passed = passes.reduce((current, { run }) => run(current), graph);
  const [few, many] = [8, 64].map((maxStorageBuffers) =>
    looks(passed, (counted) => {
      const { buffers, steps } = lower(counted, { donate, maxStorageBuffers });
      const isOfInput = (step: Step) => step.kind === "copy" && buffers[step.from.buffer]?.role === "input";
      expect(steps.some(isOfInput)).toBe(maxStorageBuffers === 8);
    }),
  ) as [number, number];
  expect(few / many).toBeLessThan(1.3);
});

test("the smallest inputs are copied if a kernel would bind too many", () => {
  const inputs = Array.from({ length: 9 }, (_, i) => ({ name: `x${i}`, dtype: "f32" as const, shape: [20 - i] }));
  const graph = traceGraph("crowd", inputs, (tensors) => [
    tensors.map((x) => slice(x as Tensor<"f32">, 0, 0, 1)).reduce((total, x) => add(total, x)),
  ]);
  const { steps } = lower(graph, { maxStorageBuffers: 8 });
  expect(steps.flatMap((step) => (step.kind === "copy" ? [step.from.buffer] : []))).toEqual([8, 7]);
});

test("equal layers share their kernels", slow, () => {
  const texts = ({ graph, donate }: TrainingStep) =>
    new Set(buildProgram(graph, { donate }).kernels.map(({ wgsl }) => wgsl));
  // With fewer units the norm of few layers' gradient is summed in one kernel, and that of more layers in two.
  expect(texts(stepOf(5, 32)).size).toBeLessThanOrEqual(texts(stepOf(3, 32)).size);
});

const bodiesOf = ({ nodes }: Graph) => nodes.flatMap((node) => (node.op === "scan" ? [node.attrs.body] : []));

test("a graph that does not change is not rebuilt", () => {
  const { graph } = four;
  const settled = removeDead(simplify(graph));
  expect(simplify(settled)).toBe(settled);
  const [before, after] = [bodiesOf(settled), bodiesOf(removeDead(settled))];
  expect(before.length).toBe(8);
  expect(after.filter((body, i) => body !== before[i])).toEqual([]);
});

test("sizes and offsets are sums of few terms, however many values there are", slow, () => {
  const { graph, donate } = eight;
  const program = buildProgram(graph, { donate });
  const sums = [
    ...program.buffers.map(({ size }) => size),
    ...program.kernels.flatMap(({ uniforms }) => uniforms.map(({ value }) => value)),
  ];
  // A number and products of symbols (B, T, B·T), and the offset in a packed concatenation.
  expect(Math.max(...sums.map(({ length }) => length))).toBeLessThanOrEqual(5);
});

test("a chain in which every value is read twice compiles in linear time, outside and inside a loop", () => {
  const chain = (start: Tensor<"f32">) =>
    Array.from({ length: 200 }).reduce<Tensor<"f32">>((x) => sub(tanh(add(x, 1)), x), start);
  const graph = traceGraph("chain", [{ name: "x", dtype: "f32", shape: ["T", "B", 4] }], ([x]) => {
    const step = ([h]: readonly Tensor[], [row]: readonly Tensor[]) => ({
      carries: [chain(add(h as Tensor<"f32">, sum(chain(row as Tensor<"f32">), 1, { keepAxes: true })))],
      ys: [],
    });
    return scanTensors(step, [zeros(["B", 4])], [x as Tensor<"f32">]).carries;
  });
  expect(compileProgram(graph).kernels.length).toBeGreaterThan(0);
  expect(compileProgram(graph, { schedule: "stepwise" }).kernels.length).toBeGreaterThan(0);
});

test.each([
  [4, 11],
  [2000, 4],
])("of 11 inputs of %i elements that a kernel reads, %i are copied if it may bind 8", (size, copied) => {
  const names = Array.from({ length: 11 }, (_, i) => ({ name: `x${i}`, dtype: "f32" as const, shape: [size] }));
  const graph = traceGraph("crowded", names, (all) => [
    all.reduce((sum, x) => add(sum as Tensor<"f32">, x as Tensor<"f32">)) as Tensor<"f32">,
  ]);
  const copies = compileProgram(graph, { maxStorageBuffers: 8 }).steps.filter(({ kind }) => kind === "copy");
  expect(copies).toHaveLength(copied);
});
