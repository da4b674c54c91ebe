/**
 * @file Values in several buffers, without a device: no buffer of a program is larger than allowed, kernels bind no more of them
 * than they may, and the graph means what it meant in one.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cells, lstm } from "../../cells/index.ts";
import { compileProgram } from "../../compiler/compile.ts";
import type { Shape } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, inputName, nodeAt } from "../../compiler/graph/graph.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { pageShape, pagesOf } from "../../compiler/graph/pages.ts";
import { mean } from "../../compiler/ops/composed.ts";
import { dot, gather, reduceMax, scatterAdd } from "../../compiler/ops/contractions.ts";
import { mul } from "../../compiler/ops/elementwise.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { concat, pad, slice } from "../../compiler/ops/pieces.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { tanh } from "../../compiler/ops/transcendental.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { broadcast, broadcastAxes, reshape, sum, transpose } from "../../compiler/ops/views.ts";
import { optimize } from "../../compiler/optimize.ts";
import { inPages, type PagedGraph } from "../../compiler/passes/in-pages.ts";
import { specialize } from "../../compiler/passes/specialize.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { evaluateSize } from "../../runtime/walk.ts";
import { partsOf } from "../../train/arena.ts";
import { languageModel } from "../../train/networks.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import type { UpdateOptions } from "../../train/optimizers/update.ts";
import { withAverage } from "../../train/optimizers/weight-average.ts";
import { trainingStep } from "../../train/training-step.ts";
import { slow } from "../support/some-of.ts";
import { difference } from "../train/devices.ts";

type Float = Tensor<"f32">;

describe("pages", () => {
  test("end between arrays, and in a large one between its rows", () => {
    expect(pagesOf([[3, 4], [2], [5]], 14)).toEqual([
      { from: 0, size: 14 },
      { from: 14, size: 5 },
    ]);
    expect(pagesOf([[2], [5, 4], [1, 3]], 9)).toEqual([
      { from: 0, size: 2 },
      { from: 2, size: 8 },
      { from: 10, size: 8 },
      { from: 18, size: 7 },
    ]);
    expect(pagesOf([[2, 10]], 9)).toBeUndefined();
    expect(pagesOf([[1, 6]], 3)).toEqual([
      { from: 0, size: 3 },
      { from: 3, size: 3 },
    ]);
    expect(pageShape([5, 4], 8)).toEqual([2, 4]);
    expect(pageShape([1, 6], 3)).toEqual([1, 3]);
  });
});

function stepOf(cell = at(Object.values(cells), 0), options: Partial<UpdateOptions> = {}) {
  const network = languageModel({ cell, units: 8, layers: 2, vocabulary: 60, embed: 8 });
  const step = trainingStep(network, { optimizer: adam(), clipNorm: 1, ...options });
  const graph = specialize(step.graph, { B: 2, T: 5 });
  const paged = (most: number) => inPages(graph, { most, parts: partsOf(graph, step.arena), donate: step.donate });
  return { step, graph, paged };
}

/** Numbers for the inputs of a graph. */
function numbersFor(graph: Graph, seed = 0): NdArray[] {
  return graph.inputs.map((id, input) => {
    const { dtype, shape } = nodeAt(graph, id).aval;
    const wave = (i: number) => Math.sin(1 + 7.3 * i + 3.1 * input + seed);
    const size = shape.reduce<number>((a, b) => a * Number(b), 1);
    const isPositive = /variance|step|learningRate/.test(inputName(graph, id));
    const data = Array.from({ length: size }, (_, i) =>
      dtype === "f32"
        ? isPositive
          ? 1 + wave(i) ** 2
          : wave(i) / 2
        : dtype === "bool"
          ? 0
          : Math.floor(3 + 2.9 * wave(i)),
    );
    return ndarray(shape.map(Number), data, dtype);
  });
}

/** The inputs of a paged graph, and its outputs joined. */
function throughPages(
  graph: Graph,
  paged: PagedGraph,
  inputs: readonly NdArray[],
  run: (inputs: NdArray[]) => NdArray[],
) {
  const given = graph.inputs.flatMap((id, i) => {
    const value = at(inputs, i);
    const pages = paged.inputs[inputName(graph, id)];
    return (
      pages?.map(({ from, size }) =>
        ndarray(pageShape(value.shape, size), value.data.slice(from, from + size), value.dtype),
      ) ?? [value]
    );
  });
  const outputs = run(given);
  return paged.outputs.map((places) => places.flatMap((place) => [...at(outputs, place).data]));
}

test("a training step in pages is the same, for pages of any size", slow, () => {
  const { graph, paged } = stepOf(lstm, { optimizer: withAverage(adam()), accumulate: 2 });
  const inputs = numbersFor(graph);
  const expected = interpret(graph, inputs);
  fc.assert(
    fc.property(fc.integer({ min: 70, max: 1500 }), (most) => {
      const cut = paged(most);
      if (cut === undefined) throw new Error("nothing is cut");
      for (const { size } of Object.values(cut.inputs).flat()) expect(size).toBeLessThanOrEqual(most);
      for (const each of [verify(cut.graph), verify(optimize(cut.graph))]) {
        const found = throughPages(graph, cut, inputs, (given) => interpret(each, given));
        for (const [i, { data }] of expected.entries()) expect(difference(found[i] ?? [], data)).toBeLessThan(1e-11);
      }
    }),
    { numRuns: 6 },
  );
});

test("a graph without large values is left as it is", () => {
  expect(stepOf().paged(10_000)).toBeUndefined();
});

/** Readers of a large table in every way, each of which takes it in parts; two results are large as well. */
function manyReaders(): Graph {
  const table = { name: "table", dtype: "f32", shape: [12, 6] } as const;
  const other = { name: "other", dtype: "f32", shape: [12, 6] } as const;
  const indices = { name: "indices", dtype: "i32", shape: [4] } as const;
  const rows = { name: "rows", dtype: "f32", shape: [4, 12] } as const;
  return traceGraph("readers", [table, other, indices, rows], ([x, y, i, r]) => {
    const [t, u, v] = [x as Float, y as Float, r as Float];
    const index = i as Tensor<"i32">;
    const both = tanh(mul(t, u));
    const looked = gather(both, index);
    const padded = slice(pad(both, 0, 3, 20), 0, 1, 14);
    return [
      both,
      looked,
      scatterAdd(index, looked, 12),
      dot(v, both),
      dot(both, dot(v, both), { transposeB: true }),
      sum(both),
      sum(both, [0]),
      sum(both, [1]),
      reduceMax(both, [0]),
      mean(padded),
      sum(sum(reshape(pad(reshape(both, [72]), 0, 0, 80), [8, 10]), [0])),
      slice(both, 0, 2, 7),
      padded,
      slice(both, 1, 2, 3),
      transpose(both, [1, 0]),
      concat([both, slice(t, 0, 3, 5)], 0),
      concat([both, t], 1),
      mul(both, broadcast(slice(u, 0, 1, 1), both.shape)),
      mul(both, broadcastAxes(sum(t, [1]), both.shape as Shape, [0])),
      reshape(both, [24, 3]),
    ];
  });
}

test("every reader takes a value in parts: pages as in one piece", () => {
  const graph = manyReaders();
  const inputs = numbersFor(graph, 5);
  const expected = interpret(graph, inputs);
  for (const most of [6, 13, 31, 71]) {
    const paged = inPages(graph, { most });
    if (paged === undefined) throw new Error("nothing is cut");
    const found = throughPages(graph, paged, inputs, (given) => interpret(verify(paged.graph), given));
    for (const [i, { data }] of expected.entries()) expect(difference(found[i] ?? [], data)).toBeLessThan(1e-12);
  }
});

describe("the program of a training step", () => {
  for (const [name, cell] of Object.entries(cells))
    test(`has no buffer above the limit: ${name}`, () => {
      const { step, graph, paged } = stepOf(cell);
      const cut = paged(1024);
      if (cut === undefined) throw new Error("nothing is cut");
      const options = { donate: cut.donate, isPaged: true, maxBufferBytes: 4096 } as const;
      const program = compileProgram(cut.graph, options);
      for (const { bytes, size } of program.buffers) expect(bytes * evaluateSize(size, {})).toBeLessThanOrEqual(4096);
      expect(Math.max(...program.buffers.map(({ size }) => evaluateSize(size, {})))).toBeLessThan(step.arena.size);
      // Parameters and slots are still updated in place.
      const donated = program.outputs.filter(({ donated: from }) => from?.includes("/page"));
      expect(donated.length).toBe(3 * (cut.inputs.parameters ?? []).length);
      expect(donated.length).toBeGreaterThan(3);
      const large = program.steps.filter((each) => each.kind === "copy" && evaluateSize(each.from.size, {}) > 512);
      expect(large).toEqual([]);
      expect(graph.inputs.length).toBeLessThan(cut.graph.inputs.length);
    });

  test("computes what the interpreter does, where a kernel would bind too many buffers", slow, () => {
    const { graph, paged } = stepOf(lstm, { optimizer: withAverage(adam()), accumulate: 2 });
    const cut = paged(2048);
    if (cut === undefined) throw new Error("nothing is cut");
    const program = planProgram(cut.graph, {
      donate: cut.donate,
      isPaged: true,
      maxBufferBytes: 8192,
      maxStorageBuffers: 8,
    });
    for (const { code } of program.kernels) expect(code.buffers.length).toBeLessThanOrEqual(8);
    const inputs = numbersFor(graph);
    const expected = interpret(graph, inputs);
    const found = throughPages(graph, cut, inputs, (given) =>
      evaluateProgram(
        program,
        Object.fromEntries(cut.graph.inputs.map((id, i) => [inputName(cut.graph, id), at(given, i)])),
      ),
    );
    for (const [i, { data }] of expected.entries()) expect(difference(found[i] ?? [], data)).toBeLessThan(1e-4);
  });

  test("that has a value whose readers need all of it is an error with its name", () => {
    const graph = traceGraph("whole", [{ name: "x", dtype: "f32", shape: [8, 8] }], ([x]) => [
      transpose(tanh(dot(x as Float, x as Float)), [1, 0]),
    ]);
    expect(() => planProgram(graph, { maxBufferBytes: 128 })).toThrow(
      /^the value f32\[8,8\] of dot at .*pages\.test\.ts:\d+:\d+ needs 0\.0 MiB; this adapter allows 0\.0 MiB in one buffer, and what reads it cannot take it in parts: lower/,
    );
  });
});
