/**
 * @file Parts of kernels that are written once. Counted, not timed: a network of eight layers has as many different parts
 * as one of three. And parts that differ in anything that their code depends on are not shared.
 */
import { expect, test } from "vitest";
import { lstm } from "../../cells/lstm.ts";
import { slstm } from "../../cells/slstm.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import type { Part } from "../../compiler/kernel/ir.ts";
import { printKernel } from "../../compiler/kernel/print.ts";
import { verifyKernel } from "../../compiler/kernel/verify.ts";
import { statementsIn } from "../../compiler/kernel/walk.ts";
import { optimize } from "../../compiler/optimize.ts";
import { SharedParts } from "../../compiler/plan/emit/shared-parts.ts";
import { vectorForms } from "../../compiler/plan/emit/vector-forms.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import { lower } from "../../compiler/plan/lower.ts";
import type { LowerOptions } from "../../compiler/plan/lowering.ts";
import { rendered } from "../../compiler/render.ts";
import {
  adam,
  add,
  type CellDefinition,
  dot,
  interpret,
  mul,
  reshape,
  type ScanOptions,
  scanTensors,
  slice,
  sub,
  type Tensor,
  tanh,
  traceGraph,
  trainingStep,
} from "../../index.ts";
import { languageModel } from "../../train/networks.ts";
import { farthest, inputsOf, named } from "../kernels/inputs.ts";
import { fewOf, slow } from "../support/some-of.ts";

type Float = Tensor<"f32">;

const cpu: LowerOptions = { target: "cpu", forms: vectorForms, mapping: { lanes: 4, run: 1 } };
const targets: Readonly<Record<string, LowerOptions>> = {
  gpu: { target: "gpu" },
  software: { target: "software" },
  cpu,
};

function networkOf(layers: number) {
  const { graph, donate } = trainingStep(languageModel({ cell: lstm, units: 32, layers, vocabulary: 11, embed: 32 }), {
    optimizer: adam(),
    clipNorm: 1,
  });
  return { graph: optimize(graph), donate };
}

const programOf = (graph: Graph, options: LowerOptions, parts: SharedParts) => ({
  ...lower(graph, options, parts),
  requires: [],
});

/** The parts that a program has, and those of them that were written. */
function counted(graph: Graph, options: LowerOptions) {
  const parts = new SharedParts();
  const { kernels } = lower(graph, options, parts);
  const all = kernels.flatMap(({ code }) => code.parts).filter(({ places }) => places !== undefined);
  return { all, written: parts.written };
}

const isLoop = ({ body }: Part) => statementsIn(body).some((each) => each.kind === "for" && each.mapping === "time");
const bodiesOf = (parts: readonly Part[]) => new Set(parts.map(({ body }) => body)).size;

fewOf(Object.entries(targets), ([name]) => name === "cpu")(
  "more layers have no more parts to write, on a %s",
  (_, options) => {
    const [three, eight] = [3, 8].map((layers) => {
      const { graph, donate } = networkOf(layers);
      return counted(graph, { ...options, donate });
    }) as [ReturnType<typeof counted>, ReturnType<typeof counted>];
    expect(eight.written).toBe(three.written);
    expect(eight.all.length).toBeGreaterThan(1.5 * three.all.length);
  },
);

test("kernels for several sizes share parts", () => {
  const { graph, donate } = networkOf(3);
  const { all } = counted(graph, { donate });
  const outside = all.filter((part) => !isLoop(part));
  expect(4 * bodiesOf(outside)).toBeLessThan(outside.length);
});

test("equal loops share a body, unless their memory is part of a buffer", () => {
  const { graph, donate } = networkOf(3);
  // For few rows of the batch and for many, forward and backward. The first layer's loop reads no other one's results.
  const { all } = counted(graph, { donate });
  const loops = all.filter(isLoop);
  expect([loops.length, bodiesOf(loops)]).toEqual([12, 8]);
  const there = counted(graph, { donate, target: "software", clearsWorkgroups: true });
  expect(there.all.filter(isLoop)).toEqual([]);
});

test("equal loops whose rows are heads share a body", () => {
  const cell = slstm({ heads: 2 }) as CellDefinition;
  const { graph, donate } = trainingStep(languageModel({ cell, units: 8, layers: 4, vocabulary: 5, embed: 8 }), {
    optimizer: adam(),
  });
  const { all } = counted(optimize(graph), { donate, schedule: "persistent" });
  const loops = all.filter(isLoop);
  // All but those of the first layer are equal, forward and backward.
  expect([loops.length, bodiesOf(loops)]).toEqual([8, 4]);
});

test("a kernel's text is written when it is asked for", () => {
  const { graph, donate } = networkOf(1);
  const [kernel] = rendered(programOf(graph, { donate }, new SharedParts())).kernels;
  expect(Object.getOwnPropertyDescriptor(kernel, "wgsl")).toMatchObject({ get: expect.any(Function) });
  expect(kernel?.wgsl).toContain("@compute");
  expect(JSON.parse(JSON.stringify(kernel)).wgsl).toBe(kernel?.wgsl);
});

test("parts that are known from other programs change nothing", slow, () => {
  const { graph, donate } = networkOf(2);
  const parts = new SharedParts();
  const ways = Object.values(targets).map((options) => ({ ...options, donate }));
  const cold = ways.map((options) => rendered(programOf(graph, options, new SharedParts())));
  const first = ways.map((options) => rendered(programOf(graph, options, parts)));
  const { written } = parts;
  const warm = ways.map((options) => rendered(programOf(graph, options, parts)));
  expect(first).toEqual(cold);
  expect(warm).toEqual(cold);
  expect(parts.written).toBe(written);
});

test("kernels of shared parts are valid, and are printed with what they stand for", () => {
  const { graph, donate } = networkOf(1);
  const { kernels } = lower(graph, { donate });
  for (const { name, code } of kernels) verifyKernel(name, code);
  const printed = kernels.map(({ code }) => printKernel(code)).join("\n");
  expect(printed).toContain("place0 is in");
  expect(printed).toMatch(/@0 is \d+/);
});

/** How many parts a graph has to write; its numbers are compared with the interpreter's. */
function writtenOf(graph: Graph, options: LowerOptions = { target: "software" }): number {
  const parts = new SharedParts();
  const program = programOf(graph, options, parts);
  const inputs = inputsOf(graph, false, {});
  expect(farthest(evaluateProgram(program, named(graph, inputs)), interpret(graph, inputs))).toBeLessThan(1e-4);
  return parts.written;
}

const square = (name: string) => ({ name, dtype: "f32", shape: [8, 8] }) as const;

/**
 * Five products, one after another. The first reads an input, the others what the one before has stored, which is at the
 * beginning of the memory every other time.
 */
const chain = (product: (x: Float, w: Float, i: number) => Float) =>
  traceGraph("chain", ["x", "a", "b", "c", "d", "e"].map(square), ([x, ...w]) => [
    w.reduce<Float>((value, one, i) => product(value, one as Float, i), x as Float),
  ]);

/** Products with parts of a vector that begin at these places. */
const weights = (...starts: readonly number[]) =>
  traceGraph("weights", [square("x"), { name: "all", dtype: "f32", shape: [400] }], ([x, all]) => [
    starts.reduce<Float>((value, start) => dot(value, reshape(slice(all as Float, 0, start, 64), [8, 8])), x as Float),
  ]);

test.each<readonly [string, Graph, number]>([
  ["equal parts are one", chain((x, w) => dot(x, w)), 3],
  ["but not with another number", chain((x, w, i) => dot(mul(x, i === 2 ? 0.5 : 0.25), w)), 4],
  ["nor with the other zero", chain((x, w, i) => dot(add(x, i === 2 ? -0 : 0), w)), 4],
  ["nor with another op", chain((x, w, i) => dot(i === 2 ? sub(x, 1) : add(x, 1), w)), 4],
  ["nor with transposed operands", chain((x, w, i) => dot(x, w, { transposeB: i === 2 })), 4],
  ["nor where both operands are one", chain((x, w, i) => dot(x, i === 2 ? x : w)), 4],
  ["parts of vectors are one wherever they begin", weights(64, 128, 192, 256, 320), 3],
  ["but not at the beginning", weights(64, 128, 0, 256, 320), 4],
  ["nor where that is not a multiple of four", weights(64, 128, 190, 256, 320), 4],
])("%s", (_, graph, written) => {
  expect(writtenOf(graph)).toBe(written);
});

/** Five loops, each over what the one before gives. Only the first reads an input. */
const loops = (step: (h: Float, x: Float, w: Float, i: number) => Float, options?: (i: number) => ScanOptions) =>
  traceGraph(
    "loops",
    [{ name: "x", dtype: "f32", shape: [3, 4, 8] }, square("w"), { name: "h", dtype: "f32", shape: [4, 8] }],
    ([x, w, h]) => {
      let xs = x as Float;
      for (let i = 0; i < 5; i++) {
        const run = ([before]: readonly Tensor[], [now]: readonly Tensor[]) => {
          const next = step(before as Float, now as Float, w as Float, i);
          return { carries: [next], ys: [next] };
        };
        xs = scanTensors(run, [h as Float], [xs], { name: "loop", ...options?.(i) }).ys[0] as Float;
      }
      return [xs];
    },
  );

const step = (h: Float, x: Float, w: Float): Float => tanh(add(dot(h, w), x));

// The first loop reads an input, and the last one stores the result of all.
test.each<readonly [string, Graph]>([
  ["another number", loops((h, x, w, i) => step(h, mul(x, i === 2 ? 0.5 : 0.25), w))],
  ["another op", loops((h, x, w, i) => (i === 2 ? sub(step(h, x, w), h) : add(step(h, x, w), h)))],
  ["transposed weights", loops((h, x, w, i) => tanh(add(dot(h, w, { transposeB: i === 2 }), x)))],
  ["steps in reverse", loops(step, (i) => ({ reverse: i === 2 }))],
])("loops are one, but not with %s", (_, graph) => {
  for (const schedule of ["persistent", "resident"] as const) {
    const options: LowerOptions = { target: "gpu", schedule, neighbours: 4 };
    const equal = writtenOf(loops(step), options);
    expect(writtenOf(graph, options)).toBeGreaterThan(equal);
  }
});
