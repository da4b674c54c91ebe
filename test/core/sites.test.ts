/** @file Lines of the user's file: what passes make of a node keeps the line that it was written in. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { lstm } from "../../cells/lstm.ts";
import { compileProgram } from "../../compiler/compile.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { languageModel } from "../../train/networks.ts";
import { sgd } from "../../train/optimizers.ts";
import { trainingStep } from "../../train/training-step.ts";

const units = 6;
const network = languageModel({ cell: lstm, units, layers: 1, vocabulary: 300, embed: 4 });
const { graph, donate } = trainingStep(network, { optimizer: sgd() });
const passed = new Map<string, Graph>();
compileProgram(graph, { donate, onPass: ({ pass, graph }) => passed.set(pass, graph) });

/** Lines of the cell, without columns, of the products of a shape that stand outside of loops. */
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

test("the gradient of a weight, which moves behind the loop, belongs to the gate's line", () => {
  expect(linesOf("hoist", `${units},${units}`)).toEqual([]);
  expect(linesOf("sink", `${units},${units}`)).toEqual(gates);
});
