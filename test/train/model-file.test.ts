/** @file Model files: round trips, a user's own cell without its source, and damage of every kind. */
import { describe, expect, test } from "vitest";
import { gru } from "../../cells/gru.ts";
import { rnn } from "../../cells/rnn.ts";
import { cell } from "../../compiler/dsl/cell.ts";
import { dense } from "../../compiler/dsl/dense.ts";
import { at, UserError } from "../../compiler/graph/errors.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { printGraph } from "../../compiler/graph/print.ts";
import { outer } from "../../compiler/ops/composed.ts";
import { dot } from "../../compiler/ops/contractions.ts";
import { add, less, max, mul, sigmoid, tanh, where } from "../../compiler/ops/elementwise.ts";
import { scanTensors } from "../../compiler/ops/scan.ts";
import { fill, reshape } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { decodeGraph, encodeGraph } from "../../train/graph-json.ts";
import { initialize } from "../../train/initialize.ts";
import { decodeModel, encodeModel, type SavedModel, savedModel } from "../../train/model-file.ts";
import { languageModel, seriesModel } from "../../train/networks.ts";
import { decodeTensors, encodeTensors } from "../../train/safetensors.ts";
import { createStream } from "../../train/stream.ts";
import { devices } from "./devices.ts";

type Float = Tensor<"f32">;

/** A cell of nobody's library: a matrix state, a loop within the step, and numbers that JSON has no word for. */
const odd = cell(
  "odd",
  { state: ({ units }) => ({ memory: [units, units], h: [units] }) },
  ({ x, memory, h, units }) => {
    const key = tanh(dense("key", [x, h], units));
    const inner = scanTensors(([z]) => ({ carries: [tanh(mul(z as Float, 0.5))], ys: [] }), [key], [], { length: 3 });
    const settled = max(at(inner.carries, 0) as Float, Number.NEGATIVE_INFINITY);
    const next = add(mul(memory, 0.9), outer(settled, key));
    const read = reshape(dot(reshape(key, ["B", 1, units]), next), ["B", units]);
    const kept = where(less(read, 0), mul(read, -0), sigmoid(read));
    return { state: { memory: next, h: add(kept, mul(h, fill(h.shape, 0.1))) }, output: read };
  },
);

const textNetwork = languageModel({ cell: odd, units: 3, layers: 2, vocabulary: 4, embed: 2 });
const textModel: SavedModel = savedModel(textNetwork, initialize(textNetwork.specs, 1), {
  vocabulary: ["\n", "a", "é", "🙂"],
  training: { steps: 12, loss: 1.5, valLoss: Number.NaN, device: "none" },
});
const seriesNetwork = seriesModel({ cell: gru, units: 3, layers: 1, features: 2 });
const seriesSaved: SavedModel = savedModel(seriesNetwork, initialize(seriesNetwork.specs, 1), {
  columns: ["price", "volume"],
  normalisation: { mean: [1.5, -2], deviation: [0.1, 1e-9] },
});
const smallNetwork = languageModel({ cell: rnn, units: 2, layers: 1, vocabulary: 2, embed: 2 });
const small = encodeModel(savedModel(smallNetwork, initialize(smallNetwork.specs, 1), { vocabulary: ["a", "b"] }));

describe("a model comes back", () => {
  test.each([
    ["text", textModel],
    ["series", seriesSaved],
  ])("of %s, with all that is told of it", (_, model) => {
    const read = decodeModel(encodeModel(model), "m");
    const told = { ...model.training };
    delete told.valLoss;
    const { graph, ...others } = read;
    const { graph: written, ...expected } = model.training === undefined ? model : { ...model, training: told };
    expect(others).toEqual(expected);
    expect(printGraph(graph)).toBe(printGraph(written));
    expect(graph.sites.every((site) => site === undefined)).toBe(true);
    expect(JSON.stringify([...encodeModel(model)])).not.toContain("test/train");
  });

  test("and written again is the same, byte for byte", () => {
    const bytes = encodeModel(seriesSaved);
    expect(encodeModel(decodeModel(bytes, "m"))).toEqual(bytes);
  });

  test.each(devices)("and streams as the network does that it was made from, on $name", async ({ open }) => {
    const device = await open();
    const outputs = async (model: SavedModel | typeof textNetwork, parameters: Readonly<Record<string, NdArray>>) => {
      const stream = await createStream(device, model, parameters, { batch: 2 });
      const all: number[] = [];
      for (const tokens of [
        [0, 1],
        [3, 2],
        [1, 1],
        [2, 0],
      ])
        all.push(...(await stream.step(ndarray([2], tokens, "i32"))).output.data);
      stream.destroy();
      return all;
    };
    const read = decodeModel(encodeModel(textModel), "m");
    expect(await outputs(read, read.parameters)).toEqual(await outputs(textNetwork, textModel.parameters));
    device.destroy();
  });

  test("numbers that JSON lacks survive in the graph", () => {
    const constants = (text: string) =>
      decodeGraph(text, ["B"]).nodes.flatMap((node) => (node.op === "constant" ? [node.attrs.value] : []));
    const values = constants(encodeGraph(textModel.graph));
    expect(values).toContain(Number.NEGATIVE_INFINITY);
    expect(values.some((value) => Object.is(value, -0))).toBe(true);
  });
});

/** The file with its metadata, or its tensors, changed. */
function damaged(
  change: (metadata: Record<string, string>, tensors: Record<string, NdArray>) => void,
  bytes = small,
): Uint8Array {
  const { metadata, tensors } = decodeTensors(bytes, "m");
  const copies = { metadata: { ...metadata }, tensors: { ...tensors } };
  change(copies.metadata, copies.tensors);
  return encodeTensors(copies);
}

const without = (key: string) =>
  damaged((metadata) => {
    delete metadata[key];
  });
const having = (key: string, value: string, bytes = small) =>
  damaged((metadata) => {
    metadata[key] = value;
  }, bytes);
const series = encodeModel(seriesSaved);

const wrongModels: readonly [title: string, bytes: Uint8Array, fault: string][] = [
  [
    "another program's file",
    encodeTensors({ tensors: {}, metadata: {} }),
    "its metadata does not say that cellgrad wrote it",
  ],
  ["a later version", having("version", "2"), 'it has version "2"; this release reads version 1'],
  ["no version", without("version"), 'it has version "none"; this release reads version 1'],
  ["another kind", having("kind", "image"), "its kind is neither text nor series"],
  ["no sizes", without("sizes"), "its sizes is missing or damaged; expected units, layers and perhaps embed"],
  [
    "sizes of nothing",
    having("sizes", '{"units":0,"layers":1}'),
    "its sizes is missing or damaged; expected units, layers and perhaps embed",
  ],
  [
    "sizes of more",
    having("sizes", '{"units":2,"layers":1,"graph":1}'),
    "its sizes is missing or damaged; expected units, layers and perhaps embed",
  ],
  [
    "no vocabulary",
    without("vocabulary"),
    "its vocabulary is missing or damaged; expected a list of different characters",
  ],
  [
    "a character twice",
    having("vocabulary", '["a","a"]'),
    "its vocabulary is missing or damaged; expected a list of different characters",
  ],
  [
    "a word among the characters",
    having("vocabulary", '["a","bc"]'),
    "its vocabulary is missing or damaged; expected a list of different characters",
  ],
  [
    "a longer vocabulary",
    having("vocabulary", '["a","b","c"]'),
    "output 1 of its graph is f32[B,2]; expected f32[B, 3]",
  ],
  [
    "training that is a list",
    having("training", "[]"),
    "its training is missing or damaged; expected a record of numbers and texts",
  ],
  [
    "parameters in no list",
    having("parameters", '{"a":1}'),
    "its parameters is missing or damaged; expected a list of different names",
  ],
  ["a parameter that is not there", having("parameters", '["a"]'), 'parameter "a" is missing'],
  [
    "a tensor too many",
    damaged((_, tensors) => {
      tensors.more = ndarray([1], [1]);
    }),
    "it has 6 tensors for 5 parameters",
  ],
  [
    "a parameter of another dtype",
    damaged((_, tensors) => {
      tensors["head/bias"] = ndarray([2], [1, 2], "i32");
    }),
    'parameter "head/bias" is i32; expected f32',
  ],
  [
    "a parameter of another size",
    damaged((_, tensors) => {
      tensors["head/bias"] = ndarray([3], [1, 2, 3]);
    }),
    "input parameters of its graph is f32[20]; expected f32[21]",
  ],
  [
    "a text model as series",
    damaged((metadata) => {
      metadata.kind = "series";
      metadata.columns = '["a","b"]';
    }),
    "input x of its graph is i32[B]; expected f32[B, 2]",
  ],
  ["columns missing", having("columns", "[]", series), "its columns is missing or damaged; expected a list of texts"],
  [
    "a column more",
    having("columns", '["a","b","c"]', series),
    "its normalisation is missing or damaged; expected 3 means and deviations above 0",
  ],
  [
    "a deviation of 0",
    having("normalisation", '{"mean":[1,2],"deviation":[1,0]}', series),
    "its normalisation is missing or damaged; expected 2 means and deviations above 0",
  ],
  [
    "a mean of null",
    having("normalisation", '{"mean":[1,null],"deviation":[1,1]}', series),
    "its normalisation is missing or damaged; expected 2 means and deviations above 0",
  ],
  ["no graph", without("graph"), "the graph is not JSON"],
  ["half a graph", having("graph", '{"version":1,'), "the graph is not JSON"],
  ["a graph that is a list", having("graph", "[]"), "the graph: expected an object"],
  [
    "a graph of a later version",
    having("graph", '{"version":2}'),
    "the graph has version 2; this release reads version 1",
  ],
  ["a graph of no version", having("graph", "{}"), "the graph has no version; this release reads version 1"],
];

function faultOf(bytes: Uint8Array): unknown {
  try {
    decodeModel(bytes, "m.safetensors");
    return undefined;
  } catch (error) {
    return error;
  }
}

test.each(wrongModels)("%s is refused in one line", (_, bytes, fault) => {
  expect(faultOf(bytes)).toEqual(new UserError(`m.safetensors is not a usable model: ${fault}`));
});

test("a file that is not safetensors is told so", () => {
  expect(faultOf(new TextEncoder().encode("hello"))).toEqual(
    new UserError("m.safetensors is not a valid safetensors file: it has 5 bytes, too few for the length of a header"),
  );
});

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
    /node %\d+ \(tanh\): an operand does not stand before it/,
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
    /\(tanh\): it is f32\[B,3\] where its op gives f32\[B,2\]/,
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
    /shape\[0\]: expected no symbols but B/,
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
    /attrs: expected none but the attributes of tanh/,
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
    /input %\d+ is none/,
  ],
  [
    "an input twice",
    (g) => {
      g.inputs.push(at(g.inputs, 0));
    },
    /the inputs and outputs of its graph are not those of a streaming step/,
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

test.each([
  [
    "a scan of more consts than inputs",
    (graph: JsonGraph) => {
      find(graph, "scan").attrs.consts = 100;
    },
    /nodes\[\d+\]: expected at least as many inputs of its body as consts and carries$/,
  ],
  [
    "a state that comes out as another",
    (graph: JsonGraph) => {
      graph.outputs.splice(0, 2, at(graph.outputs, 1), at(graph.outputs, 0));
    },
    /output 0 of its graph is f32\[B,3\]; expected f32\[B, 3, 3\]$/,
  ],
])("a graph with %s is refused in one line", (_, change, fault) => {
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

test("whatever stands anywhere in the graph, the file is refused in one line, or it is a graph that holds together", () => {
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
});
