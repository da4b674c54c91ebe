/**
 * @file Stages: every value that a stage reads was stored at an earlier level, since stages of one level run
 * concurrently. A device that happens to run them in order would not reveal a mistake.
 */
import { describe, expect, test } from "vitest";
import { lstm } from "../../cells/lstm.ts";
import { compileProgram } from "../../compiler/compile.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, nodeAt } from "../../compiler/graph/graph.ts";
import { functionsOf } from "../../compiler/kernel/walk.ts";
import { formStages } from "../../compiler/plan/stages/form-stages.ts";
import type { Target } from "../../compiler/plan/stages/tiles.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import {
  add,
  concat,
  dot,
  exp,
  iota,
  mul,
  scanTensors,
  scatterAdd,
  slice,
  softmax,
  sum,
  type Tensor,
  tanh,
  traceGraph,
} from "../../index.ts";
import { languageModel } from "../../train/networks.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import { trainingStep } from "../../train/training-step.ts";

type Float = Tensor<"f32">;

/** Describes each value that a stage reads too early. */
function readTooEarly(graph: Graph): string[] {
  const { stages, packs } = formStages(graph, graph.outputs, { packs: true });
  const levels = new Map<number, number>();
  for (const stage of stages) {
    if (stage.kind === "stage") for (const id of stage.roots) levels.set(id, stage.level);
    else {
      for (const [id, { op, operands }] of graph.nodes.entries())
        if (op === "result" && operands[0] === stage.scan) levels.set(id, stage.level);
    }
  }
  /** The level at which a value is stored: that of its last part, if it is a pack. */
  const levelOf = (id: number): number => {
    const parts = packs.get(id)?.parts;
    return parts === undefined ? (levels.get(id) ?? -1) : Math.max(...parts.map((part) => levelOf(part.id)));
  };
  return stages.flatMap((stage) => {
    const own = new Set(stage.kind === "stage" ? stage.roots : []);
    return stage.reads
      .filter(({ id }) => nodeAt(graph, id).op !== "input" && !own.has(id) && levelOf(id) >= stage.level)
      .map(({ id }) => `level ${stage.level} reads ${nodeAt(graph, id).op} %${id} of level ${levelOf(id)}`);
  });
}

const names = ["a", "b", "u", "v"] as const;
const traced = (f: (a: Float, b: Float, u: Float, v: Float) => readonly Tensor[]): Graph =>
  traceGraph(
    "f",
    names.map((name) => ({ name, dtype: "f32", shape: [6, 6] })),
    ([a, b, u, v]) => f(a as Float, b as Float, u as Float, v as Float),
  );

const graphs: Readonly<Record<string, Graph>> = {
  "a product of products": traced((a, b, u, v) => [dot(tanh(dot(a, b)), u), dot(dot(a, b), v)]),
  "a concatenation, read at its own position": traced((a, b) => [exp(concat([dot(a, b), tanh(dot(b, a))], 0))]),
  "a packed and an unpacked concatenation, read together": traced((a, b, u, v) => [
    mul(exp(concat([dot(a, b), tanh(dot(b, a))], 0)), concat([dot(u, v), u], 0)),
  ]),
  "results of a loop and of a scatter": traced((a, b, u) => {
    const step = ([h]: readonly Tensor[], [row]: readonly Tensor[]) => ({
      carries: [tanh(add(h as Float, row as Float))],
      ys: [h as Float],
    });
    const { carries, ys } = scanTensors(step, [sum(b, 0)], [a]);
    const scattered = scatterAdd(iota([6], 0), mul(ys[0] as Float, 2), 6);
    return [mul(ys[0] as Float, u), tanh(carries[0] as Float), add(scattered, 1), dot(scattered, u)];
  }),
  "normalized rows and columns": traced((a, b) => [softmax(dot(a, b), 1), softmax(dot(a, b), 0)]),
  "slices of products": traced((a, b, u) => [add(slice(dot(a, b), 0, 1, 3), slice(dot(a, u), 0, 0, 3))]),
};

describe("a stage reads only values of earlier levels:", () => {
  test.each(Object.entries(graphs))("%s", (_, graph) => {
    expect(readTooEarly(graph)).toEqual([]);
  });

  test("a whole training step, after every pass", () => {
    const network = languageModel({ cell: lstm, units: 8, layers: 2, vocabulary: 7, embed: 4 });
    const { graph, donate } = trainingStep(network, { optimizer: adam(), clipNorm: 1 });
    const after: Graph[] = [];
    compileProgram(graph, { donate, onPass: (trace) => after.push(trace.graph) });
    for (const each of [at(after, 0), at(after, after.length - 1)]) expect(readTooEarly(each)).toEqual([]);
  });
});

describe("a software adapter, on which each workgroup runs the code of all parts, and each lane what all have in common,", () => {
  const kernelsOf = (graph: Graph, target: Target, donate = {}) => planProgram(graph, { target, donate }).kernels;

  test("has products and elements in kernels of their own", () => {
    const graph = traced((a, b) => [dot(a, b), exp(slice(a, 0, 1, 3))]);
    const partsOf = (target: Target) => kernelsOf(graph, target).map(({ code }) => code.parts.length);
    expect(partsOf("gpu")).toEqual([2]);
    expect(partsOf("software")).toEqual([1, 1]);
  });

  test("computes numbers with functions once, such as Adam's bias corrections", () => {
    const network = languageModel({ cell: lstm, units: 8, layers: 1, vocabulary: 7, embed: 4 });
    const { graph, donate } = trainingStep(network, { optimizer: adam() });
    /** The functions that the kernel calls that writes the parameters. */
    const calledBy = (target: Target) => {
      const kernels = kernelsOf(graph, target, donate);
      const update = kernels.find(
        ({ code }) => code.buffers.filter(({ access }) => access === "read_write").length > 2,
      );
      return functionsOf(update?.code.parts ?? []).map(({ name }) => name);
    };
    expect(calledBy("gpu")).toContain("cg_expm1");
    expect(calledBy("software")).not.toContain("cg_expm1");
    expect(calledBy("software").length).toBeLessThan(calledBy("gpu").length);
  });
});
