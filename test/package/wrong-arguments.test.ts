/** @file Wrong arguments: the message names what was given and what was expected: from JavaScript anything may come. */
import { describe, expect, test } from "vitest";
import { parseLabelled, parseSeries, seriesBatches, textBatches, vocabularyFrom } from "../../entries/data.ts";
import { decodeTensors, encodeCell, encodeModel, encodeTensors, savedModel, traceCell } from "../../entries/files.ts";
import { findNonFinite, gatesOf, gradientFlow, printGraph } from "../../entries/inspect.ts";
import { cellToJax, graphToJax } from "../../entries/jax.ts";
import {
  bidirectional,
  dropout,
  lastOutput,
  lengthsMask,
  outputDropout,
  recurrent,
  residual,
  stacked,
} from "../../entries/layers.ts";
import { crossEntropy, meanSquaredError } from "../../entries/losses.ts";
import { classifierModel, seriesModel } from "../../entries/networks.ts";
import { modelToOnnx } from "../../entries/onnx.ts";
import { withAverage } from "../../entries/optimizers.ts";
import { createPredictor, createStream, forecast, sampleText } from "../../entries/stream.ts";
import { modelToWasm } from "../../entries/wasm.ts";
import { fromPyTorch, toPyTorch } from "../../entries/weights.ts";
import {
  adam,
  add,
  cell,
  createTrainer,
  type Device,
  dense,
  fromNested,
  gru,
  mean,
  ndarray,
  objective,
  scan,
  traceGraph,
} from "../../index.ts";
import { lineOf, lineOfPromise, whatever } from "../support/refused.ts";
import { devices } from "../train/devices.ts";

const none = undefined as never;
const series = seriesModel({ cell: gru, units: 2, layers: 1, features: 2 });
const own = objective("own", { x: { dtype: "f32", shape: ["B", 2] } }, ({ x }) => mean(dense("h", x, 1)));
const row = ndarray([1, 2], [1, 2]);
const batch = { x: ndarray([1, 1, 2], [1, 2]), targets: ndarray([1, 1, 2], [1, 2]) };
const makeIt = "make it an array with ndarray(shape, numbers, dtype) or fromNested(lists, dtype)";
const trained = "a network, such as the result of languageModel, or an objective";

const calls: readonly (readonly [line: string, call: () => unknown])[] = [
  ["ndarray: the shape is 3; expected a list, such as [2, 3]", () => ndarray(whatever(3), [1, 2, 3])],
  ["ndarray: the data is undefined; expected numbers in a list or a typed array", () => ndarray([2], none)],
  ['ndarray: the dtype is "float32"; expected f32, i32, u32 or bool', () => ndarray([1], [1], whatever("float32"))],
  [
    'ndarray: an entry of the data is "a"; expected a number; nested lists are for fromNested',
    () => ndarray([2], whatever(["a", "b"])),
  ],
  ['fromNested: an entry is "abc"; expected a number or a list of them', () => fromNested(whatever("abc"))],
  [
    'cell "a": state is a list; expected a function, such as ({ units }) => ({ h: [units] })',
    () =>
      cell(
        "a",
        { state: whatever(["h"]) },
        whatever(() => {}),
      ),
  ],
  [
    'cell "a": the step is undefined; expected a function that returns { state, output }',
    () => cell("a", { state: () => ({ h: [1] }) }, none),
  ],
  [
    "scan at …: expected a tensor, got undefined; tensors are the arguments of a traced function and results of ops",
    () => scan(gru(2), none),
  ],
  [
    "scan: the cell is a function; expected a cell with its units: gru(8), not gru",
    () => scan(whatever<never>(gru), none),
  ],
  [
    "recurrent: the cell is a function; expected a cell with its units: gru(8), not gru",
    () => recurrent(whatever<never>(gru)),
  ],
  [
    "stacked: a layer is an object; expected a layer; make one of a cell with recurrent(cell)",
    () => stacked(whatever([gru(2)])),
  ],
  [
    'bidirectional: merge is "add"; expected a function, or concat, sum, mean, product',
    () => bidirectional(gru(2), gru(2), { merge: whatever("add") }),
  ],
  ['objective "o": the loss is undefined; expected a function of the batch', () => objective("o", {}, none)],
  ["traceGraph: the body of g is undefined; expected a function of tensors", () => traceGraph("g", [], none)],
  [
    "printGraph: the graph is an object; expected a Graph, such as traceGraph returns",
    () => printGraph(whatever(series)),
  ],
  [
    "findNonFinite: the graph is undefined; expected a Graph, such as traceGraph returns",
    () => findNonFinite(none, {}),
  ],
  ["gatesOf: the graph is undefined; expected a Graph, such as traceGraph returns", () => gatesOf(whatever(series))],
  [
    "gradientFlow: the network is an object; expected the result of languageModel or network",
    () => gradientFlow(whatever(own)),
  ],
  [
    'savedModel: objective "own" has a loss but no prediction; define one with objective(name, batch, loss, { predict })',
    () => savedModel(own, {}, {}),
  ],
  [
    "encodeModel: the model is an object; expected the result of savedModel(network, parameters)",
    () => encodeModel(whatever({ w: row })),
  ],
  [
    "graphToJax: the graph is an object; expected a Graph, such as traceGraph returns",
    () => graphToJax(whatever(series)),
  ],
  [
    "cellToJax: the trace is a function; expected one of the traces of traceCell(cell, sizes)",
    () => cellToJax(whatever(gru)),
  ],
  [
    "modelToOnnx: the model is an object; expected the result of savedModel or loadModel",
    () => modelToOnnx(whatever(own)),
  ],
  [
    "modelToWasm: the model is an object; expected the result of savedModel or loadModel",
    () => modelToWasm(whatever(own)),
  ],
  [`encodeTensors: tensor a is 1; ${makeIt}`, () => encodeTensors({ tensors: { a: whatever(1) }, metadata: {} })],
  [
    "encodeTensors: tensors is undefined; expected arrays by name, in { tensors, metadata }",
    () => encodeTensors(whatever({ a: row })),
  ],
  ['the file m is "x"; expected its bytes, a Uint8Array', () => decodeTensors(whatever("x"), "m")],
  [
    "traceCell: the sizes is an object; expected a list, such as [{ units: 8, features: 4 }]",
    () => traceCell(gru, whatever({ units: 2, features: 2 })),
  ],
  [
    'parseSeries: the table, or a row of it, is "a,b"; expected a list of rows, each a list of fields',
    () => parseSeries(whatever("a,b"), "t"),
  ],
  ["t: a field of row 1 is 1; expected a text", () => parseSeries(whatever([[1, 2]]), "t")],
  ["t, line 1 is an object; expected the JSON of a sequence, as text", () => parseLabelled(whatever([{}]), "t")],
  [
    'textBatches: the text is "hello"; expected its tokens: vocabulary.encode(text)',
    () => textBatches(whatever("hello"), { batch: 1, time: 2 }),
  ],
  [
    "seriesBatches: the series is a list; expected the result of parseSeries: { columns, values, length }",
    () => seriesBatches(whatever([1, 2]), { batch: 1, time: 2 }),
  ],
  ['vocabularyFrom: the characters is "ab"; expected a list of them', () => vocabularyFrom(whatever("ab"))],
  [
    "classifierModel: reads: there is no option feature; did you mean features?",
    () => classifierModel({ cell: gru, units: 2, classes: 2, reads: whatever({ feature: 2 }) }),
  ],
  [
    "classifierModel: reads: the options are undefined; expected an object: it takes features, vocabulary, embed",
    () => classifierModel({ cell: gru, units: 2, classes: 2, reads: none }),
  ],
  [
    "withAverage: the optimizer is a function; expected an update rule such as adam()",
    () => withAverage(whatever(adam)),
  ],
  ["w: the input is undefined; expected arrays by name", () => fromPyTorch(none, "w")],
  [
    "crossEntropy at …: expected a tensor, got a list; tensors are the arguments of a traced function and results of ops",
    () => crossEntropy(whatever([1]), whatever([2])),
  ],
  [
    "meanSquaredError at …: expected a tensor, got a list; tensors are the arguments of a traced function and results of ops",
    () => meanSquaredError(whatever([1]), whatever([2])),
  ],
  [
    "lastOutput at …: expected a tensor, got a list; tensors are the arguments of a traced function and results of ops",
    () => lastOutput(whatever([1])),
  ],
  [
    "lengthsMask at …: expected a tensor, got a list; tensors are the arguments of a traced function and results of ops",
    () => lengthsMask(whatever([1]), 2),
  ],
  [
    'dense "h" at …: expected a tensor, got 1; tensors are the arguments of a traced function and results of ops',
    () => dense("h", whatever([1, 2]), 3),
  ],
  [
    "mean at …: expected a tensor, got undefined; tensors are the arguments of a traced function and results of ops",
    () => mean(none),
  ],
  [
    "residual: a layer is an object; expected a layer; make one of a cell with recurrent(cell)",
    () => residual(whatever<never>(gru(2))),
  ],
  [
    "outputDropout: a layer is a function; expected a layer; make one of a cell with recurrent(cell)",
    () => outputDropout(whatever<never>(gru), 0.1),
  ],
  ['dropout at …: the rate is "0.1"; expected a number from 0 to below 1', () => dropout(none, whatever("0.1"))],
  ["encodeCell: the cell is a function; expected the result of traceCell", () => encodeCell(whatever(gru))],
  ["encode: the argument is 3; expected a text", () => vocabularyFrom(["a"]).encode(whatever(3))],
  [
    "weights: their cell is undefined; expected its name, as returned by fromPyTorch, fromKeras and fromParameters",
    () => toPyTorch(whatever({ w: row })),
  ],
];

test.each(calls)("%s", (line, call) => {
  expect(lineOf(call)).toBe(line);
});

describe.each(devices)("on $name", ({ open }) => {
  const over: readonly (readonly [line: string, call: (device: Device) => unknown])[] = [
    [
      "createTrainer: the device is an object; expected the result of await openDevice()",
      () => createTrainer(whatever(series), none),
    ],
    [
      "createTrainer: the device is a promise; expected the result of await openDevice()",
      (device) => createTrainer(whatever(Promise.resolve(device)), series),
    ],
    [
      `the trained network is a function; expected ${trained}`,
      (device) => createTrainer(device, whatever<typeof own>(gru)),
    ],
    [
      "the objective has no parameters to train; use dense, a cell or parameter in it",
      (device) =>
        createTrainer(
          device,
          objective("o", { x: { dtype: "f32", shape: ["B"] } }, ({ x }) => mean(x)),
        ),
    ],
    [
      "compile: the graph is a function; expected a Graph, such as traceGraph returns",
      (device) => device.compile(whatever(() => 1)),
    ],
    [`upload: the value is a list; ${makeIt}`, (device) => device.upload(whatever([1, 2]))],
    [
      'createStream: objective "own" has a loss but no prediction; define one with objective(name, batch, loss, { predict })',
      (device) => createStream(device, own, {}),
    ],
    [
      "createStream: the model is a function; expected a network, an objective, or the result of decodeModel",
      (device) => createStream(device, whatever(gru), {}),
    ],
    [
      'createPredictor: objective "own" has a loss but no prediction; define one with objective(name, batch, loss, { predict })',
      (device) => createPredictor(device, own, {}),
    ],
    [
      "createPredictor: the model is a list; expected a network, an objective, or the result of decodeModel",
      (device) => createPredictor(device, whatever([]), {}),
    ],
  ];

  test.each(over)("%s", async (line, call) => {
    const device = await open();
    expect(await lineOfPromise(async () => call(device))).toBe(line);
    device.destroy();
  });

  test("a graph that is run", async () => {
    const device = await open();
    const executable = await device.compile(
      traceGraph("g", [{ name: "x", dtype: "f32", shape: ["N"] }], ([x]) => [add(whatever(x), 1)]),
    );
    const line = (inputs: unknown) => lineOf(() => executable.run(whatever(inputs)));
    expect(line(undefined)).toBe("g: its argument is undefined; expected inputs by name, such as { x }");
    expect(line([row])).toBe("g: its argument is a list; expected inputs by name, such as { x }");
    expect(line({ x: [1, 2] })).toBe(`g: input x is a list; ${makeIt}`);
    expect(line({ x: new Float32Array(2) })).toBe(`g: input x is a Float32Array; ${makeIt}`);
    device.destroy();
  });

  test("a trainer and a stream, in use and after", async () => {
    const device = await open();
    const trainer = await createTrainer(device, series);
    const parameters = await trainer.parameters();
    const stream = await createStream(device, series, parameters);
    const line = (call: () => unknown) => lineOfPromise(async () => call());
    expect(await line(() => trainer.evaluate(whatever(batch)))).toBe(
      "evaluate: the argument is an object; expected batches, such as a list of them",
    );
    expect(await line(() => trainer.evaluate(none))).toMatch(/^evaluate: the argument is undefined; expected batches/);
    expect(await line(() => trainer.restore(none))).toBe(
      "restore: the checkpoint is undefined; expected the result of trainer.checkpoint()",
    );
    expect(await line(() => trainer.setParameters(none))).toBe(
      "the parameters are undefined; expected an array for each path",
    );
    expect(await line(() => trainer.step(whatever([batch])))).toBe(
      "the batch is a list; expected { x, targets }, or { inputs } by name",
    );
    const setRate = () => {
      trainer.learningRate = whatever("0.1");
    };
    expect(await line(setRate)).toBe('the learning rate is "0.1"; expected a number above 0');
    expect(await line(() => stream.step(whatever([1, 2])))).toBe(`x is a list; ${makeIt}`);
    expect(await line(() => sampleText(whatever({ stream, length: 2 })).next())).toBe(
      "sampleText: the vocabulary is undefined; expected a vocabulary, such as vocabularyOf(text)",
    );
    expect(await line(() => forecast({ stream, values: whatever([1, 2]), horizon: 1 }))).toBe(
      "forecast: a row of the values is 1; expected a list of numbers, one for each feature",
    );
    const whole = await trainer.evaluate([batch, batch]);
    const streamed = async function* () {
      yield batch;
      yield batch;
    };
    expect(await trainer.evaluate(streamed())).toBe(whole);

    trainer.destroy();
    stream.destroy();
    const gone = "the trainer was destroyed; make another with createTrainer";
    const after: readonly (() => unknown)[] = [
      () => trainer.step(batch),
      () => trainer.profile(batch),
      () => trainer.evaluate([batch]),
      () => trainer.parameters(),
      () => trainer.checkpoint(),
      () => trainer.setParameters(parameters),
    ];
    for (const call of after) expect(await line(call)).toBe(gone);
    expect(await line(() => stream.step(row))).toBe("the stream was destroyed; make another with createStream");
    device.destroy();
  });
});
