/**
 * @file Every public function that takes options refuses those that there are not. The table below is held to all exports
 * of all entries by a type: a function that is new and takes a record is a type error here until it has a row, or until
 * what it takes is listed as data.
 */
import { describe, expect, test } from "vitest";
import { gru } from "../../cells/index.ts";
import type { Initializer } from "../../compiler/dsl/initializers.ts";
import * as data from "../../entries/data.ts";
import * as equations from "../../entries/equations.ts";
import * as files from "../../entries/files.ts";
import * as inspect from "../../entries/inspect.ts";
import * as jax from "../../entries/jax.ts";
import * as layers from "../../entries/layers.ts";
import type * as logs from "../../entries/logs.ts";
import * as losses from "../../entries/losses.ts";
import * as networks from "../../entries/networks.ts";
import * as node from "../../entries/node.ts";
import * as onnx from "../../entries/onnx.ts";
import * as optimizers from "../../entries/optimizers.ts";
import * as population from "../../entries/population.ts";
import * as stream from "../../entries/stream.ts";
import * as tasks from "../../entries/tasks.ts";
import * as testing from "../../entries/testing.ts";
import * as tune from "../../entries/tune.ts";
import * as wasm from "../../entries/wasm.ts";
import * as weights from "../../entries/weights.ts";
import * as zoo from "../../entries/zoo.ts";
import * as root from "../../index.ts";
import { whatever } from "../support/refused.ts";

type Entries = typeof root &
  typeof data &
  typeof equations &
  typeof files &
  typeof inspect &
  typeof jax &
  typeof layers &
  typeof logs &
  typeof losses &
  typeof networks &
  typeof node &
  typeof onnx &
  typeof optimizers &
  typeof population &
  typeof stream &
  typeof tasks &
  typeof testing &
  typeof tune &
  typeof wasm &
  typeof weights &
  typeof zoo;

/** What functions take that are no options: values, and what other functions made. */
type Data =
  | Uint8Array
  | logs.ByteSink
  | (Iterable<string> | ArrayLike<number>)
  | (root.Aval | root.NdArray | root.Graph | root.Arena | Initializer)
  | (root.Cell | root.Device | root.Objective | root.Optimizer | Pick<root.Trainer, "step">)
  | (data.Normalisation | data.GreyImage | data.IdxArray | data.LabelledSequences | data.Recording | data.Series)
  | (data.PiecedRecording | data.Vocabulary | node.ByteSource)
  | Parameters<typeof equations.cellText>[0]
  | (files.SavedModel | files.TensorFile | files.TracedCell | stream.ModelSource)
  | (
      | Parameters<typeof root.interpret>[3]
      | inspect.NonFinite
      | layers.Layer
      | layers.Randomness
      | weights.NetworkWeights
    )
  | population.Hyperparameter
  | (tasks.Task | tasks.TaskBatches | testing.GradientReport | testing.HostReport | testing.RandomCell);

type Options<P> = P extends Data | readonly unknown[] | ((...args: never) => unknown)
  ? never
  : P extends object
    ? string extends keyof P
      ? never
      : P
    : never;
type TakesOptions<F> = F extends (...args: infer A) => unknown
  ? [Options<A[number]>] extends [never]
    ? false
    : true
  : false;
type Calls = {
  readonly [K in keyof Entries as TakesOptions<Entries[K]> extends true ? K : never]: (options: never) => unknown;
};

/** In the place of all else: options are looked at first. */
const none = undefined as never;

const calls: Calls = {
  accuracy: (o) => losses.accuracy(none, none, o),
  adagrad: (o) => optimizers.adagrad(o),
  adam: (o) => root.adam(o),
  adamW: (o) => optimizers.adamW(o),
  batchesOf: (o) => data.batchesOf(none, o),
  bidirectional: (o) => layers.bidirectional(none, none, o),
  binaryCrossEntropy: (o) => losses.binaryCrossEntropy(none, none, o),
  bivariateMixtureLoss: (o) => losses.bivariateMixtureLoss(none, none, o),
  cellToJax: (o) => jax.cellToJax(none, o),
  cell: (o) => root.cell("c", o, none),
  checkGradients: (o) => testing.checkGradients(gru, o),
  checkHosts: (o) => testing.checkHosts(gru, o),
  checkLoss: (o) => testing.checkLoss(none, none, [], o),
  checkRandomCell: (o) => testing.checkRandomCell(whatever({}), [], o),
  classGuesses: (o) => stream.classGuesses(none, o),
  classifierModel: (o) => networks.classifierModel(o),
  convLstm: (o) => zoo.convLstm(o),
  cosineDecay: (o) => optimizers.cosineDecay(o),
  createPopulation: (o) => population.createPopulation(none, none, o),
  createPredictor: (o) => stream.createPredictor(none, none, none, o),
  createStream: (o) => stream.createStream(none, none, none, o),
  createTrainer: (o) => root.createTrainer(none, none, o),
  crossEntropy: (o) => losses.crossEntropy(none, none, o),
  ctc: (o) => losses.ctc(none, none, o),
  cumsum: (o) => root.cumsum(none, 0, o),
  slstm: (o) => zoo.slstm(o),
  sort: (o) => root.sort(none, 0, o),
  dense: (o) => root.dense("d", none, 1, o),
  deviceExecutor: (o) => testing.deviceExecutor("d", none, 0, o),
  dot: (o) => root.dot(none, none, o),
  encodeOnnx: (o) => onnx.encodeOnnx(none, o),
  f32Tolerance: (o) => testing.f32Tolerance(o),
  evaluationStep: (o) => root.evaluationStep(none, o),
  forecast: (o) => stream.forecast(o),
  fromFlax: (o) => weights.fromFlax(none, "", o),
  fromKeras: (o) => weights.fromKeras(none, "", o),
  fromPyTorch: (o) => weights.fromPyTorch(none, "", o),
  gatedDeltaNet: (o) => zoo.gatedDeltaNet(o),
  gatedLinearAttention: (o) => zoo.gatedLinearAttention(o),
  gaussianMixtureLoss: (o) => losses.gaussianMixtureLoss(none, none, o),
  gradientFlow: (o) => inspect.gradientFlow(none, o),
  graphToJax: (o) => jax.graphToJax(none, o),
  modelToJax: (o) => jax.modelToJax(none, o),
  highway: (o) => layers.highway(none, o),
  huber: (o) => losses.huber(none, none, o),
  indrnn: (o) => zoo.indrnn(o),
  inputDropout: (o) => layers.inputDropout(none, 0, o),
  janet: (o) => zoo.janet(o),
  labelledBatches: (o) => data.labelledBatches(none, o),
  languageModel: (o) => networks.languageModel(o),
  lif: (o) => zoo.lif(o),
  linearDecay: (o) => optimizers.linearDecay(o),
  lion: (o) => optimizers.lion(o),
  logSumExp: (o) => root.logSumExp(none, 0, o),
  lru: (o) => zoo.lru(o),
  mean: (o) => root.mean(none, 0, o),
  meanAbsoluteError: (o) => losses.meanAbsoluteError(none, none, o),
  meanSquaredError: (o) => losses.meanSquaredError(none, none, o),
  mlstm: (o) => zoo.mlstm(o),
  modelFrom: (o) => weights.modelFrom(none, o),
  modelToWasm: (o) => wasm.modelToWasm(none, o),
  momentum: (o) => optimizers.momentum(o),
  network: (o) => networks.network(o),
  networkOfTask: (o) => tasks.networkOfTask(tasks.parity, none, o),
  norm: (o) => root.norm(none, 0, o),
  objective: (o) => root.objective("o", {}, () => none, o),
  openDevice: (o) => root.openDevice(o),
  outputDropout: (o) => layers.outputDropout(none, 0, o),
  parseCell: (o) => equations.parseCell("h = W x", o),
  parseSeries: (o) => data.parseSeries([], "", o),
  parseSeriesText: (o) => data.parseSeriesText("", "t.csv", o),
  pixelSequences: (o) => data.pixelSequences([], [], [], o),
  plateau: (o) => optimizers.plateau(o),
  printGraph: (o) => inspect.printGraph(none, o),
  prod: (o) => root.prod(none, 0, o),
  projectedLstm: (o) => zoo.projectedLstm(o),
  qrnn: (o) => zoo.qrnn(o),
  randomBits: (o) => root.randomBits(0, o),
  readIdxImages: (o) => node.readIdxImages("", "", o),
  readImageFolder: (o) => node.readImageFolder("", o),
  readSeries: (o) => node.readSeries("", o),
  recurrence: (o) => layers.recurrence(none, none, none, o),
  recurrent: (o) => layers.recurrent(none, o),
  recurrentDropout: (o) => layers.recurrentDropout(none, 0, none, o),
  recurrentHighway: (o) => zoo.recurrentHighway(o),
  reduceMax: (o) => root.reduceMax(none, 0, o),
  regressionModel: (o) => networks.regressionModel(o),
  rmsProp: (o) => optimizers.rmsProp(o),
  sampleText: (o) => stream.sampleText(o).next(),
  savedModel: (o) => files.savedModel(none, none, o),
  scan: (o) => root.scan(none, none, o),
  scanTensors: (o) => root.scanTensors(none, [], [], o),
  scheduledSample: (o) => layers.scheduledSample(none, none, o),
  seriesBatches: (o) => data.seriesBatches(none, o),
  seriesModel: (o) => networks.seriesModel(o),
  sgd: (o) => root.sgd(o),
  stepDecay: (o) => optimizers.stepDecay(o),
  streamedBatches: (o) => data.streamedBatches(none, o),
  streamedTextBatches: (o) => data.streamedTextBatches(none, none, o),
  sum: (o) => root.sum(none, 0, o),
  tableSource: (o) => node.tableSource(none, o),
  textBatches: (o) => data.textBatches([], o),
  toPyTorch: (o) => weights.toPyTorch(none, o),
  toPyTorchLike: (o) => weights.toPyTorchLike(none, none, "", o),
  trainingStep: (o) => root.trainingStep(none, o),
  tune: (o) => tune.tune(none, none, o),
  variance: (o) => root.variance(none, 0, o),
  withAverage: (o) => optimizers.withAverage(none, o),
  withWeightDecay: (o) => optimizers.withWeightDecay(none, o),
};

/** Methods of what functions give, which the types above do not reach. */
const methods: Readonly<Record<string, (options: never) => unknown>> = {
  "device.compile": (o) => root.openInterpreter().compile(none, o),
  "task.batches": (o) => tasks.parity.batches(0, o),
  "traceCell's sizes": (o) => files.traceCell(gru, [o]),
  "checkLoss's point": (o) => testing.checkLoss(none, o),
};

async function messageOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    return error instanceof root.UserError ? error.message : `no UserError: ${error}`;
  }
  return "no error";
}

describe("an option that there is not", () => {
  test.each(Object.entries({ ...calls, ...methods }))("%s", async (_, call) => {
    expect(await messageOf(() => call(whatever({ nonsense: 1 })))).toMatch(/: there is no option nonsense; it takes /);
    expect(await messageOf(() => call(whatever("cpu")))).toMatch(/: the options are "cpu"; expected /);
  });
});

const device = root.openInterpreter();
const cell = { cell: gru, units: 2, layers: 1 };
const said: readonly (readonly [line: string, call: () => unknown])[] = [
  // What other libraries call it, or nearly so.
  [
    "createTrainer: there is no option lr; did you mean learningRate?",
    () => root.createTrainer(device, none, whatever({ lr: 0.1 })),
  ],
  [
    "adam: there is no option lr; it takes beta1, beta2, epsilon (learningRate is an option of createTrainer)",
    () => root.adam(whatever({ lr: 0.1 })),
  ],
  ["adam: there is no option betas; did you mean beta1?", () => root.adam(whatever({ betas: [0.9, 0.999] }))],
  ["adam: there is no option eps; did you mean epsilon?", () => root.adam(whatever({ eps: 1e-8 }))],
  [
    "adamW: there is no option weight_decay; did you mean weightDecay?",
    () => optimizers.adamW(whatever({ weight_decay: 1 })),
  ],
  ["rmsProp: there is no option alpha; did you mean decay?", () => optimizers.rmsProp(whatever({ alpha: 0.9 }))],
  [
    "languageModel: there is no option hidden; did you mean units?",
    () => networks.languageModel(whatever<never>({ ...cell, hidden: 1 })),
  ],
  [
    "seriesModel: there is no option input_size; did you mean features?",
    () => networks.seriesModel(whatever<never>({ ...cell, input_size: 1 })),
  ],
  [
    "textBatches: there is no option batchSize; did you mean batch?",
    () => data.textBatches([], whatever({ batchSize: 4, time: 3 })),
  ],
  [
    'dense "d": there is no option useBias; did you mean bias?',
    () => root.dense("d", none, 1, whatever({ useBias: false })),
  ],
  [
    "crossEntropy: there is no option labelsmoothing; did you mean smoothing?",
    () => losses.crossEntropy(none, none, whatever({ labelsmoothing: 0.1 })),
  ],
  ["openDevice: there is no option devise; did you mean device?", () => root.openDevice(whatever({ devise: "cpu" }))],
  ["sum: there is no option keepdims; did you mean keepAxes?", () => root.sum(none, 0, whatever({ keepdims: true }))],
  [
    "openDevice: there is no option toString; it takes device, threads, timeout, gpuDevice",
    () => root.openDevice(whatever({ toString: 1 })),
  ],
  // Of the wrong kind.
  [
    'openDevice: device is "banana"; expected "auto" or "gpu" or "cpu" or "software" or "interpreter"',
    () => root.openDevice({ device: whatever("banana") }),
  ],
  [
    'openDevice: device is "toString"; expected "auto" or "gpu" or "cpu" or "software" or "interpreter"',
    () => root.openDevice({ device: whatever("toString") }),
  ],
  [
    'openDevice: device is an object; expected "auto" or "gpu" or "cpu" or "software" or "interpreter", and a GPUDevice of your own as gpuDevice',
    () => root.openDevice({ device: whatever({}) }),
  ],
  [
    "openDevice: threads is 0; expected a whole number from 1 to 1024",
    () => root.openDevice({ device: "cpu", threads: 0 }),
  ],
  ["openDevice: threads is 1.5; expected a whole number from 1 to 1024", () => root.openDevice({ threads: 1.5 })],
  [
    'openDevice: threads are for device "cpu" or "auto", and "interpreter" has no threads; leave them out',
    () => root.openDevice({ device: "interpreter", threads: 2 }),
  ],
  [
    'openDevice: the options are "cpu"; expected an object: it takes device, threads, timeout, gpuDevice',
    () => root.openDevice(whatever("cpu")),
  ],
  [
    "openDevice: the options are null; expected an object: it takes device, threads, timeout, gpuDevice",
    () => root.openDevice(whatever(null)),
  ],
  ["adam: the options are 0.1; expected an object: it takes beta1, beta2, epsilon", () => root.adam(whatever(0.1))],
  [
    'createTrainer: learningRate is "0.1"; expected a number',
    () => root.createTrainer(device, none, { learningRate: whatever("0.1") }),
  ],
  ["createTrainer: seed is null; expected a number", () => root.createTrainer(device, none, { seed: whatever(null) })],
  [
    'createTrainer: schedule is "fast"; expected "auto" or "newton" or "parallel" or "resident" or "persistent" or "stepwise"',
    () => root.createTrainer(device, none, { schedule: whatever("fast") }),
  ],
  [
    "createTrainer: rateSchedule is an object; expected a function",
    () => root.createTrainer(device, none, { rateSchedule: whatever({}) }),
  ],
  ["sampleText: prompt is 3; expected a text", () => stream.sampleText(whatever({ prompt: 3 })).next()],
  ['parseSeries: columns is "price"; expected a list', () => data.parseSeries([], "", { columns: whatever("price") })],
  ["huber: mask is true; expected a tensor", () => losses.huber(none, none, { mask: whatever(true) })],
  ["momentum: nesterov is 1; expected true or false", () => optimizers.momentum({ nesterov: whatever(1) })],
  ["savedModel: training is a list; expected a record", () => files.savedModel(none, none, { training: whatever([]) })],
];

test.each(said)("%s", async (line, call) => {
  const message = await messageOf(call);
  expect(message.replace(/ at test\/[^:]*:\d+:\d+:/, ":")).toBe(line);
});

test("options may be left undefined, and a record without a prototype is one", () => {
  expect(root.adam({ beta1: undefined }).name).toBe("adam");
  expect(root.adam(Object.assign(Object.create(null), { beta1: 0.8 })).name).toBe("adam");
});
