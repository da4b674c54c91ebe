/** @file Model files: round trips, a custom cell without its source, and invalid files. */
import { describe, expect, test } from "vitest";
import { UserError } from "../../../compiler/graph/errors.ts";
import { type NdArray, ndarray } from "../../../compiler/graph/ndarray.ts";
import { printGraph } from "../../../compiler/graph/print.ts";
import { decodeModel, encodeModel, type SavedModel } from "../../../train/files/model-file.ts";
import { encodeTensors } from "../../../train/files/safetensors.ts";
import { createStream } from "../../../train/stream.ts";
import { rowsSaid } from "../../trust/fault-table.ts";
import { devices } from "../devices.ts";
import { damaged, faultOf, regressionSaved, seriesSaved, small, textModel, textNetwork } from "./saved-models.ts";

describe("a model survives a round trip", () => {
  test.each([
    ["text", textModel],
    ["series", seriesSaved],
    ["regression", regressionSaved],
  ])("of %s, with all its fields", (_, model) => {
    const read = decodeModel(encodeModel(model), "m");
    const { graph, ...others } = read;
    const { graph: written, ...expected } = model;
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
});

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
  [
    "another kind",
    having("kind", "image"),
    "its kind is unknown; expected text, series, regression, classifier or objective",
  ],
  ["no sizes", without("sizes"), "its sizes is missing or damaged; expected units, layers and optionally embed"],
  [
    "sizes of nothing",
    having("sizes", '{"units":0,"layers":1}'),
    "its sizes is missing or damaged; expected units, layers and optionally embed",
  ],
  [
    "sizes of more",
    having("sizes", '{"units":2,"layers":1,"graph":1}'),
    "its sizes is missing or damaged; expected units, layers and optionally embed",
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
  ["tokens that are no bytes", having("tokens", "words"), "its tokens is missing or damaged; expected bytes"],
  [
    "bytes of which there are two",
    having("tokens", "bytes"),
    "its vocabulary is missing or damaged; expected 256 bytes",
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
  [
    "a weight that is not a number",
    damaged((_, tensors) => {
      tensors["head/bias"] = ndarray([2], [1, Number.NaN]);
    }),
    '"head/bias" is damaged: 1 of its 2 numbers is not finite (NaN)',
  ],
  [
    "weights that are infinite",
    damaged((_, tensors) => {
      tensors["head/bias"] = ndarray([2], [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]);
    }),
    '"head/bias" is damaged: 2 of its 2 numbers are not finite (-Infinity)',
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

test.each(wrongModels)("%s is refused in one line", (_, bytes, fault) => {
  expect(faultOf(bytes)).toEqual(new UserError(`m.safetensors is not a usable model: ${fault}`));
});

const bias = (value: number) => ({ ...textModel.parameters, "head/bias": ndarray([4], [0, 1, value, 3]) });
const unworthy: readonly [title: string, model: SavedModel, line: string][] = [
  [
    "a weight is not a number",
    { ...textModel, parameters: bias(Number.NaN) },
    '"head/bias" is damaged: 1 of its 4 numbers is not finite (NaN)',
  ],
  [
    "a weight is more than f32 holds",
    { ...textModel, parameters: bias(1e39) },
    '"head/bias" is damaged: 1 of its 4 numbers is not finite (1e+39)',
  ],
  [
    "its loss is not a number",
    { ...textModel, training: { loss: Number.NaN } },
    "training.loss is NaN; save the weights of a step with a finite loss instead",
  ],
  [
    "its held-out loss is infinite in f32",
    { ...textModel, training: { loss: 1, valLoss: 1e58 } },
    "training.valLoss is 1e+58; save the weights of a step with a finite loss instead",
  ],
];

test.each(unworthy)("a model is not written where %s", (_, model, line) => {
  expect(() => encodeModel(model)).toThrow(new UserError(line));
});

test("docs/trust.md says how many rows there are", () => {
  expect(rowsSaid("train/files/model-file.test.ts")).toBe(wrongModels.length + unworthy.length);
});

test("a file that is not safetensors is reported as such", () => {
  expect(faultOf(new TextEncoder().encode("hello"))).toEqual(
    new UserError("m.safetensors is not a valid safetensors file: it has 5 bytes, too few for the length of a header"),
  );
});
