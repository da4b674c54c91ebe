/** @file The graph in a model file: numbers that JSON lacks survive, and damage of every kind is found. */
import { expect, test } from "vitest";
import { at, UserError } from "../../../compiler/graph/errors.ts";
import { decodeGraph, encodeGraph } from "../../../train/files/graph-json.ts";
import { encodeModel } from "../../../train/files/model-file.ts";
import { decodeTensors } from "../../../train/files/safetensors.ts";
import { slow } from "../../support/some-of.ts";
import { rowsSaid } from "../../trust/fault-table.ts";
import { damaged, faultOf, small, textModel } from "./saved-models.ts";

test("numbers that JSON lacks survive in the graph", () => {
  const constants = (text: string) =>
    decodeGraph(text, ["B"]).nodes.flatMap((node) => (node.op === "constant" ? [node.attrs.value] : []));
  const values = constants(encodeGraph(textModel.graph));
  expect(values).toContain(Number.NEGATIVE_INFINITY);
  expect(values.some((value) => Object.is(value, -0))).toBe(true);
});

/** What JSON.parse gives. */
type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonNode = {
  op: string;
  operands: number[];
  attrs: { [key: string]: Json };
  aval: { dtype: string; shape: Json[] };
};
interface JsonGraph {
  name: string;
  nodes: JsonNode[];
  inputs: number[];
  outputs: number[];
}

/** The small model with its graph changed. */
function withGraph(change: (graph: JsonGraph) => void, bytes = small): Uint8Array {
  return damaged((metadata) => {
    const document = JSON.parse(metadata.graph ?? "");
    change(document.graph);
    metadata.graph = JSON.stringify(document);
  }, bytes);
}

const find = (graph: JsonGraph, op: string): JsonNode =>
  at(
    graph.nodes.filter((node) => node.op === op),
    0,
  );

/** A scan in a scan in a scan, …, around an empty body. */
function nested(depth: number): JsonGraph {
  const attrs =
    depth === 0
      ? undefined
      : { body: nested(depth - 1) as unknown as Json, consts: 0, carries: 0, length: 1, reverse: false };
  const aval = { dtype: "f32", shape: [] };
  return {
    name: "nest",
    nodes: attrs === undefined ? [] : [{ op: "scan", operands: [], attrs, aval }],
    inputs: [],
    outputs: [],
  };
}

const wrongGraphs: readonly [title: string, change: (graph: JsonGraph) => void, fault: RegExp][] = [
  [
    "an op from the prototype",
    (g) => {
      find(g, "tanh").op = "constructor";
    },
    /nodes\[\d+\].op: expected an op of this release/,
  ],
  [
    "an operand from later on",
    (g) => {
      find(g, "tanh").operands = [99];
    },
    /node %\d+ \(tanh\): an operand does not come before it/,
  ],
  [
    "an operand that is half",
    (g) => {
      find(g, "tanh").operands = [0.5];
    },
    /operands\[0\]: expected a whole number/,
  ],
  [
    "an operand too many",
    (g) => {
      find(g, "tanh").operands.push(0);
    },
    /operands: expected 1 operands of tanh/,
  ],
  [
    "a shape that is not the op's",
    (g) => {
      find(g, "tanh").aval.shape = ["B", 3];
    },
    /\(tanh\): it is f32\[B,3\], but its op gives f32\[B,2\]/,
  ],
  [
    "a dtype that is none",
    (g) => {
      find(g, "tanh").aval.dtype = "f64";
    },
    /aval.dtype: expected a dtype/,
  ],
  [
    "a symbol that nobody binds",
    (g) => {
      find(g, "tanh").aval.shape = ["Q", 2];
    },
    /shape\[0\]: expected only the symbols B/,
  ],
  [
    "a dimension written otherwise",
    (g) => {
      find(g, "tanh").aval.shape = ["B*1", 2];
    },
    /shape\[0\]: expected a dimension/,
  ],
  [
    "a shape without end",
    (g) => {
      find(g, "input").aval.shape = [2 ** 20, 2 ** 20];
    },
    /shape: expected at most 268435456 elements/,
  ],
  [
    "a slice from half an entry",
    (g) => {
      find(g, "slice").attrs.start = 0.5;
    },
    /start: expected a whole number/,
  ],
  [
    "a slice beyond the end",
    (g) => {
      find(g, "slice").attrs.start = 19;
    },
    /\(slice\): entries 19 to \d+ do not exist in an axis of 20/,
  ],
  [
    "an attribute too many",
    (g) => {
      find(g, "tanh").attrs.extra = 1;
    },
    /attrs: expected only the attributes of tanh/,
  ],
  [
    "an attribute missing",
    (g) => {
      find(g, "slice").attrs = { axis: 0, start: 0 };
    },
    /size: expected a dimension/,
  ],
  [
    "a flag that is a number",
    (g) => {
      find(g, "dot").attrs.transposeA = 0;
    },
    /transposeA: expected true or false/,
  ],
  [
    "an output that does not exist",
    (g) => {
      g.outputs[0] = 999;
    },
    /output %999 does not exist/,
  ],
  [
    "outputs swapped",
    (g) => {
      g.outputs.push(at(g.outputs, 0));
    },
    /the inputs and outputs of its graph are not those of a streaming step/,
  ],
  [
    "an input that is none",
    (g) => {
      g.inputs.push(g.nodes.findIndex(({ op }) => op === "tanh"));
    },
    /input %\d+ is not an input node/,
  ],
  [
    "an input twice",
    (g) => {
      g.inputs.push(at(g.inputs, 0));
    },
    /an input is listed twice/,
  ],
  [
    "an input under another name",
    (g) => {
      find(g, "input").attrs.name = "weights";
    },
    /input parameters of its graph is missing; expected f32\[20\]/,
  ],
  [
    "scans nested without end",
    (g) => {
      g.nodes.push(...nested(9).nodes);
    },
    /expected scans nested at most 8 deep/,
  ],
];

test.each(wrongGraphs)("a graph with %s is refused in one line", (_, change, fault) => {
  const error = faultOf(withGraph(change));
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).toMatch(/^m\.safetensors is not a usable model: [^\n]+$/);
  expect((error as UserError).message).toMatch(fault);
});

const wrongLoops: typeof wrongGraphs = [
  [
    "a scan of more consts than inputs",
    (graph) => {
      find(graph, "scan").attrs.consts = 100;
    },
    /nodes\[\d+\]: expected at least as many inputs of its body as consts and carries$/,
  ],
  [
    "more nodes than any model has",
    (graph) => {
      graph.nodes = new Array<JsonNode>(20_001).fill(at(graph.nodes, 0));
    },
    /graph\.nodes: expected at most 20000 nodes$/,
  ],
  [
    "a state without a batch",
    (graph) => {
      const aval = { dtype: "f32", shape: [3] };
      graph.nodes.push({ op: "input", operands: [], attrs: { name: "state/odd", aval }, aval });
      graph.inputs.unshift(graph.nodes.length - 1);
      graph.outputs.unshift(graph.nodes.length - 1);
    },
    /input "state\/odd" of its graph is f32\[3\]; expected \[B, …\]$/,
  ],
  [
    "a state that comes out as another",
    (graph) => {
      graph.outputs.splice(0, 2, at(graph.outputs, 1), at(graph.outputs, 0));
    },
    /output 0 of its graph is f32\[B,3\]; expected f32\[B, 3, 3\]$/,
  ],
];

test("docs/trust.md says how many rows there are", () => {
  expect(rowsSaid("train/files/graph-json.test.ts")).toBe(wrongGraphs.length + wrongLoops.length);
});

test.each(wrongLoops)("a graph with %s is refused in one line", (_, change, fault) => {
  expect((faultOf(withGraph(change, encodeModel(textModel))) as Error).message).toMatch(fault);
});

/** Every place in a document, as the path of keys that leads there. */
function places(value: Json, path: readonly (string | number)[] = []): (string | number)[][] {
  const children = Array.isArray(value)
    ? [...value.entries()]
    : value !== null && typeof value === "object"
      ? Object.entries(value)
      : [];
  return [[...path], ...children.flatMap(([key, child]) => places(child as Json, [...path, key]))];
}

test(
  "whatever stands anywhere in the graph, the file is refused in one line, or it is a graph that holds together",
  slow,
  () => {
    const { metadata } = decodeTensors(encodeModel(textModel), "m");
    const graph: Json = JSON.parse(metadata.graph ?? "");
    let refused = 0;
    const all = places(graph).slice(1);
    for (const [i, path] of all.entries()) {
      const intruder = ([null, -1, 0.5, "B", "x", [], {}, true, 1e300] as const)[i % 9];
      const document = structuredClone(graph);
      const parent = path
        .slice(0, -1)
        .reduce<Json>((value, key) => (value as { [key: string]: Json })[key] ?? null, document);
      (parent as { [key: string]: unknown })[at(path, path.length - 1)] = intruder;
      try {
        const read = decodeGraph(JSON.stringify(document), ["B"]);
        expect(encodeGraph(read)).toBe(encodeGraph(decodeGraph(encodeGraph(read), ["B"])));
      } catch (error) {
        expect(error, path.join(".")).toBeInstanceOf(UserError);
        expect((error as Error).message, path.join(".")).not.toMatch(/\n|internal|undefined is not|Cannot read/);
        refused += 1;
      }
    }
    expect(all.length).toBeGreaterThan(1000);
    expect(refused / all.length).toBeGreaterThan(0.9);
  },
);
