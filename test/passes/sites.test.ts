/** @file Lines of the user's file: nodes that passes make from a node keep its line. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { lstm } from "../../cells/lstm.ts";
import { compileProgram } from "../../compiler/compile.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { add, mul } from "../../compiler/ops/elementwise.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { exp } from "../../compiler/ops/transcendental.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { languageModel } from "../../train/networks.ts";
import { sgd } from "../../train/optimizers/gradient-descent.ts";
import { trainingStep } from "../../train/training-step.ts";

const units = 6;
const network = languageModel({ cell: lstm, units, layers: 1, vocabulary: 300, embed: 4 });
const { graph, donate } = trainingStep(network, { optimizer: sgd() });
const passed = new Map<string, Graph>();
compileProgram(graph, { donate, onPass: ({ pass, graph }) => passed.set(pass, graph) });

/** Lines of the cell, without columns, of the products of a shape outside loops. */
function linesOf(pass: string, shape: string): string[] {
  const { nodes, sites } = passed.get(pass) ?? { nodes: [], sites: [] };
  const products = nodes.flatMap(({ op, aval }, id) => (op === "dot" && aval.shape.join() === shape ? [id] : []));
  const lines = products.map((id) => sites[id]?.replace(/:\d+$/, "") ?? "none");
  return lines.filter((line) => line.startsWith("cells/")).toSorted();
}

const source = readFileSync(new URL("../../cells/lstm.ts", import.meta.url), "utf8").split("\n");
const gates = source.flatMap((text, i) => (text.includes("dense(") ? [`cells/lstm.ts:${i + 1}`] : []));

test("there are four gates", () => expect(gates).toHaveLength(4));

test("x·W of all steps, which moves before the loop, belongs to the gate's line", () => {
  expect(linesOf("split products", `B*T,${units}`)).toEqual([]);
  expect(linesOf("hoist", `B*T,${units}`)).toEqual(gates);
});

test("the gradient of a weight, which moves after the loop, belongs to the gate's line", () => {
  expect(linesOf("hoist", `${units},${units}`)).toEqual([]);
  expect(linesOf("sink", `${units},${units}`)).toEqual(gates);
});

test("cached frames have the same sites as new ones", () => {
  const steps = (times: number) =>
    traceGraph("repeated", [{ name: "x", dtype: "f32", shape: [3] }], ([x]) => {
      let sum = x as Tensor<"f32">;
      for (let i = 0; i < times; i++) sum = add(mul(sum, sum), exp(sum));
      return [sum];
    });
  const { nodes, sites } = steps(2);
  const here = nodes.map((_, id) => sites[id]).filter((site) => site?.startsWith("test/passes/sites.test.ts"));
  const [x, product, exponential, sum] = here;
  expect(new Set([x, product, exponential, sum]).size).toBe(4);
  expect(here).toEqual([x, product, exponential, sum, product, exponential, sum]);
  expect(steps(3).sites.slice(0, nodes.length)).toEqual(sites);
});

test("the settings of stack traces are restored", () => {
  const settings = Error as { stackTraceLimit?: number; prepareStackTrace?: unknown };
  const limit = settings.stackTraceLimit;
  settings.stackTraceLimit = 7;
  const before = { limit: 7, prepare: settings.prepareStackTrace };
  traceGraph("one", [{ name: "x", dtype: "f32", shape: [3] }], ([x]) => [exp(x as Tensor<"f32">)]);
  const after = { limit: settings.stackTraceLimit, prepare: settings.prepareStackTrace };
  settings.stackTraceLimit = limit;
  expect(after).toEqual(before);
});
