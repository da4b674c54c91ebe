/** @file Cases of cells, layers, losses and optimizers, with gradients. */
import fc from "fast-check";
import { lstm } from "../../cells/lstm.ts";
import { slstm, zoo } from "../../cells/zoo.ts";
import { OPTIMIZER_NAMES } from "../../cli/options.ts";
import { updateOptionsOf } from "../../cli/update-options.ts";
import { traceCell } from "../../compiler/dsl/traced-cell.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, inputName, nodeAt } from "../../compiler/graph/graph.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { savedModel } from "../../entries/files.ts";
import * as losses from "../../entries/losses.ts";
import * as optimizers from "../../entries/optimizers.ts";
import {
  adam,
  add,
  type CellDefinition,
  cast,
  greater,
  initialize,
  model,
  type NamedAval,
  scan,
  sgd,
  square,
  sum,
  type Tensor,
  traceGraph,
} from "../../index.ts";
import { modelToJax } from "../../interchange/jax/model.ts";
import { cellToJax } from "../../interchange/jax/print.ts";
import { generator, randomFloats, randomIntegers } from "../../testing/numbers/random-data.ts";
import { prepare } from "../../testing/random-cells/cell-checks.ts";
import { lossGraphs, lossOfCell } from "../../testing/random-cells/cell-graphs.ts";
import { cellPlans } from "../../testing/random-cells/cell-plan.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { arenaOf, unpackArray } from "../../train/arena.ts";
import { stacked } from "../../train/layers/depth.ts";
import { bidirectional, recurrent } from "../../train/layers/layer.ts";
import { lengthsMask } from "../../train/layers/lengths.ts";
import { languageModel, seriesModel } from "../../train/networks.ts";
import type { Optimizer } from "../../train/optimizers/optimizer.ts";
import { isCount, slotsOf, update } from "../../train/optimizers/update.ts";
import { sourceLines } from "../support/source-lines.ts";
import type { JaxCase, JaxGroup } from "./case.ts";
import { gradientCase, inTreeOrder, nameIn, valueCase } from "./graph-case.ts";

type Float = Tensor<"f32">;

/** How many random cells are printed. */
const randomCells = 16;

function* ofRandomCells(): Iterable<JaxCase> {
  const plans = fc.sample(cellPlans, { seed: 2026, numRuns: randomCells });
  for (const [i, plan] of plans.entries()) {
    const point = lossOfCell(buildCell(plan));
    const { scale } = prepare(lossGraphs(point));
    const moving = new Set(point.avals.filter((_, k) => point.moving[k]).map(({ name }) => name));
    yield gradientCase(`random cell ${i}`, point.avals, point.inputs, ({ name }) => moving.has(name), point.lossOf, {
      scale: Math.max(1, scale),
    });
  }
}

/** Random numbers for each input of a graph; integers are below 3. */
function dataFor(avals: readonly NamedAval[], sizes: Readonly<Record<string, number>>, seed = 17): NdArray[] {
  const random = generator(seed);
  return avals.map(({ name, dtype, shape }) => {
    const known = shape.map((dim) => (typeof dim === "number" ? dim : (sizes[dim] ?? 1)));
    if (name === "lengths") return ndarray(known, Float64Array.from([4, 2, 0]), "i32");
    return dtype === "f32" ? randomFloats(random, known, 0.7) : randomIntegers(random, known, 3, dtype);
  });
}

function avalsOf(graph: Graph): NamedAval[] {
  return graph.inputs.map((id) => ({ name: inputName(graph, id), ...nodeAt(graph, id).aval }));
}

/** The printed step of a cell, and the cell over a sequence with its gradient. */
function* ofCells(): Iterable<JaxCase> {
  for (const [name, definition] of Object.entries(zoo)) {
    yield stepCase(name, definition);
    yield sequenceCase(name, definition);
  }
}

function stepCase(name: string, definition: CellDefinition): JaxCase {
  const trace = at(traceCell(definition, [{ units: 8, features: 8 }]).traces, 0);
  const { graph, states, parameters } = trace;
  const inputs = dataFor(avalsOf(graph), { B: 3 });
  const source = cellToJax(trace, { source: sourceLines });
  const [x, ...rest] = inputs;
  const before = rest.slice(0, states.length);
  const leaves = parameters.map(({ path }, i) => ({ keys: path.split("/"), array: at(rest, states.length + i) }));
  return {
    name: `step of ${name}`,
    source,
    call: nameIn(source),
    args: [
      ...(leaves.length > 0 ? [leaves] : []),
      before.length === 1 ? at(before, 0) : { tuple: before },
      ...(x === undefined ? [] : [x]),
    ],
    expected: interpret(graph, inputs),
  };
}

function sequenceCase(name: string, definition: CellDefinition): JaxCase {
  const instance = definition(8);
  const run = model("sequence", (xs: Float) => {
    const { outputs, state } = scan(instance, xs);
    return Object.values<Float>(state).reduce((total, last) => add(total, sum(square(last))), sum(square(outputs)));
  });
  return modelCase(`${name} over time`, run, { xs: ["T", "B", 8] }, { [name]: Object.keys(instance.stateShapes) });
}

/** A model of named floats with a scalar result, and its gradient in parameters and floats. */
function modelCase(
  name: string,
  run: { specs: (...avals: never[]) => readonly { path: string; shape: readonly number[] }[]; apply: unknown },
  shapes: Readonly<Record<string, readonly (number | string)[]>>,
  carries: Readonly<Record<string, readonly string[]>>,
  others: readonly NamedAval[] = [],
): JaxCase {
  const given: NamedAval[] = [
    ...Object.entries(shapes).map(([key, shape]): NamedAval => ({ name: key, dtype: "f32", shape })),
    ...others,
  ];
  const specs = run.specs(...(given.map(({ dtype, shape }) => ({ dtype, shape })) as never[]));
  const weights = specs.map(({ path, shape }): NamedAval => ({ name: `parameters/${path}`, dtype: "f32", shape }));
  const avals = [...weights, ...given];
  const apply = run.apply as (parameters: Readonly<Record<string, Float>>, ...args: readonly Tensor[]) => Float;
  return gradientCase(
    name,
    avals,
    dataFor(avals, { T: 4, B: 3 }),
    ({ dtype }) => dtype === "f32",
    (tensors) => {
      const named = specs.map(({ path }, i) => [path, at(tensors, i) as Float] as const);
      return apply(Object.fromEntries(named), ...tensors.slice(specs.length));
    },
    { source: sourceLines, carries },
  );
}

/** Two layers in both directions with lengths, and a language model of two layers with dropout. */
function* ofNetworks(): Iterable<JaxCase> {
  const layers = stacked([bidirectional(lstm(3), lstm(3)), bidirectional(slstm()(2), slstm()(2))]);
  const both = model("both", (xs: Float, lengths: Tensor<"i32">) => {
    const mask = lengthsMask(lengths, "T");
    return sum(square(layers.run(xs, { mask }).outputs));
  });
  const names = { lstm: ["c", "h"], slstm: ["c", "n", "m", "h"] };
  yield modelCase("two layers in both directions with lengths", both, { xs: ["T", "B", 3] }, names, [
    { name: "lengths", dtype: "i32", shape: ["B"] },
  ]);
  const once = recurrent(lstm(3), { reverse: true, initial: "learned" });
  const reversed = model("reversed", (xs: Float) => sum(square(once.run(xs).outputs)));
  yield modelCase("a reverse layer with learned states", reversed, { xs: ["T", "B", 3] }, names);
  for (const options of [{}, { dropout: 0.4, recurrentDropout: 0.3, zoneout: 0.2, connection: "highway" as const }]) {
    const network = languageModel({ cell: lstm, units: 4, layers: 2, vocabulary: 5, embed: 4, ...options });
    const states = Object.entries(network.stateShapes);
    const avals: NamedAval[] = [
      ...network.specs.map(({ path, shape }): NamedAval => ({ name: `parameters/${path}`, dtype: "f32", shape })),
      ...states.map(([key, shape]): NamedAval => ({ name: key, dtype: "f32", shape: ["B", ...shape] })),
      ...Object.entries(network.batch).map(([key, aval]): NamedAval => ({ name: key, ...aval })),
      { name: "key", dtype: "u32", shape: [] },
    ];
    yield gradientCase(
      `language model of two layers${"dropout" in options ? " with dropout" : ""}`,
      avals,
      dataFor(avals, { T: 4, B: 3 }),
      ({ name }) => name.startsWith("parameters/"),
      (tensors) => {
        const named = Object.fromEntries(avals.map(({ name }, i) => [name, at(tensors, i)]));
        const parameters = Object.fromEntries(
          network.specs.map(({ path }) => [path, named[`parameters/${path}`] as Float]),
        );
        const state = Object.fromEntries(states.map(([key]) => [key, named[key] as Float]));
        const random = "dropout" in options ? { key: named.key as Tensor<"u32">, site: 1 } : undefined;
        const batch = Object.fromEntries(Object.keys(network.batch).map((key) => [key, named[key] as Tensor]));
        const { loss } = network.measure(parameters, { batch, state, random });
        return typeof loss === "object" && "sum" in loss ? (loss.sum as Float) : (loss as Float);
      },
      { source: sourceLines, carries: names },
    );
  }
}

const vector = (name: string, shape: readonly (number | string)[]): NamedAval => ({ name, dtype: "f32", shape });

function* ofLosses(): Iterable<JaxCase> {
  const targets = { name: "targets", dtype: "i32", shape: ["T", "B"] } as const;
  const exists = { name: "mask", dtype: "u32", shape: ["T", "B"] } as const;
  const mask = (tensor: Tensor | undefined) => greater(tensor as Tensor<"u32">, 0);
  const all: Readonly<Record<string, readonly [readonly NamedAval[], (tensors: readonly Tensor[]) => Float]>> = {
    "cross-entropy": [
      [vector("x", ["T", "B", 3]), targets],
      ([x, y]) => losses.crossEntropy(x as Float, y as Tensor<"i32">),
    ],
    "cross-entropy with smoothing, weights and a mask": [
      [vector("x", ["T", "B", 3]), targets, exists],
      ([x, y, m]) =>
        losses.crossEntropy(x as Float, y as Tensor<"i32">, {
          smoothing: 0.1,
          classWeights: [1, 2, 0.5],
          mask: mask(m),
        }),
    ],
    "binary cross-entropy": [
      [vector("x", ["T", "B"]), vector("y", ["T", "B"])],
      ([x, y]) => losses.binaryCrossEntropy(x as Float, y as Float),
    ],
    "mean squared error": [
      [vector("x", ["T", "B", 2]), vector("y", ["T", "B", 2]), exists],
      ([x, y, m]) => losses.meanSquaredError(x as Float, y as Float, { mask: mask(m) }),
    ],
    "mean absolute error": [
      [vector("x", ["T", "B", 2]), vector("y", ["T", "B", 2])],
      ([x, y]) => losses.meanAbsoluteError(x as Float, y as Float),
    ],
    huber: [
      [vector("x", ["T", "B", 2]), vector("y", ["T", "B", 2])],
      ([x, y]) => losses.huber(x as Float, y as Float, { delta: 0.4 }),
    ],
    "weighted squared error": [
      [vector("x", ["T", "B", 2]), vector("y", ["T", "B", 2]), vector("weights", ["T", "B", 1])],
      ([x, y, w]) => losses.weightedSquaredError(x as Float, y as Float, w as Float),
    ],
    ctc: [
      [vector("x", ["T", "B", 4]), { name: "labels", dtype: "i32", shape: ["B", 2] }],
      ([x, y]) => losses.ctc(x as Float, add(y as Tensor<"i32">, 1)),
    ],
    "Gaussian mixture": [
      [vector("x", ["T", "B", 6]), vector("y", ["T", "B"])],
      ([x, y]) => losses.gaussianMixtureLoss(x as Float, y as Float),
    ],
    "bivariate mixture": [
      [vector("x", ["T", "B", 13]), vector("y", ["T", "B", 3])],
      ([x, y]) => losses.bivariateMixtureLoss(x as Float, cast(greater(y as Float, 0), "f32")),
    ],
  };
  for (const [name, [avals, f]] of Object.entries(all))
    yield gradientCase(`loss ${name}`, avals, dataFor(avals, { T: 4, B: 3 }), ({ dtype }) => dtype === "f32", f);
}

/** The update of an exported model, array by array, with each optimizer of the command line. */
function* ofExportedUpdates(): Iterable<JaxCase> {
  const network = seriesModel({ cell: lstm, units: 3, layers: 1, features: 2 });
  const arena = arenaOf(network.specs);
  const details = { columns: ["a", "b"], normalisation: { mean: [0, 0], deviation: [1, 1] } };
  const model = savedModel(network, initialize(network.specs, 1), details);
  for (const [i, optimizer] of OPTIMIZER_NAMES.entries()) {
    const lrSchedule = at(["constant", "linear", "cosine", "step"] as const, i % 4);
    const options = updateOptionsOf(
      { optimizer, lrSchedule, warmup: 5, clip: i % 2, weightDecay: i % 3 === 0 ? 0.1 : 0 },
      50,
    );
    const slots = slotsOf(options);
    const avals = [
      ...["parameters", "gradient", ...slots].map((name) => vector(name, [arena.size])),
      ...["step", "learningRate"].map((name) => vector(name, [])),
    ];
    const graph = traceGraph("update", avals, (tensors) => {
      const [parameters, gradient, ...rest] = tensors as readonly Float[] as readonly [Float, Float, ...Float[]];
      const [step, learningRate] = rest.slice(slots.length) as [Float, Float];
      const given = Object.fromEntries(slots.map((slot, k) => [slot, at(rest, k)]));
      const next = update(options, { parameters, gradient, slots: given, step, learningRate, arena });
      return [next.parameters, ...slots.map((slot) => next.slots[slot] as Float)];
    });
    const values = dataFor(avals, {}).map((array, k) => {
      const { name } = at(avals, k);
      if (name === "step") return { ...array, data: Float64Array.of(7) };
      // Moments of squares are not negative.
      return slots.includes(name) ? { ...array, data: array.data.map((x) => 0.5 + 0.5 * x * x) } : array;
    });
    const treeOf = (flat: NdArray, ...above: readonly string[]) =>
      Object.entries(unpackArray(flat, arena)).map(([path, array]) => ({
        keys: [...above, ...path.split("/")],
        array,
      }));
    const [parameters, gradient, ...rest] = values as [NdArray, NdArray, ...NdArray[]];
    const norm = Math.sqrt(gradient.data.reduce((total, x) => total + x * x, 0));
    const inOrder = (flat: NdArray) =>
      inTreeOrder(treeOf(flat).map(({ keys, array }) => ({ name: ["parameters", ...keys].join("/"), array })));
    const [next, ...nextSlots] = interpret(graph, values) as [NdArray, ...NdArray[]];
    const bySlot = slots.map((slot, k) => [slot, at(nextSlots, k)] as const).toSorted(([a], [b]) => (a < b ? -1 : 1));
    yield {
      name: `exported update by ${optimizer}`,
      source: new TextDecoder().decode(modelToJax(model, { cell: lstm, update: options })["model.py"]),
      call: "update",
      args: [
        treeOf(parameters),
        treeOf(gradient),
        ndarray([], [norm]),
        slots.flatMap((slot, k) => treeOf(at(rest, k), slot)),
        at(rest, slots.length),
        at(rest, slots.length + 1),
      ],
      expected: [next, ...bySlot.map(([, flat]) => flat)].flatMap(inOrder),
    };
  }
}

/** Updates with each optimizer, clipped, scheduled and accumulated. */
function* ofOptimizers(): Iterable<JaxCase> {
  const arena = arenaOf([
    { path: "kernel", shape: [2, 3] },
    { path: "bias", shape: [3] },
  ]);
  const all: readonly Optimizer[] = [
    ...[sgd(), optimizers.momentum({ nesterov: true }), adam(), optimizers.adamW({ weightDecay: 0.1 })],
    ...[optimizers.rmsProp({ centred: true, momentum: 0.5 }), optimizers.adagrad(), optimizers.lion()],
    optimizers.withAverage(adam()),
    optimizers.withWeightDecay(sgd(), { rate: 0.1, decays: optimizers.matrices }),
  ];
  const rateSchedule = optimizers.warmUp(5, optimizers.cosineDecay({ updates: 50 }));
  for (const optimizer of all)
    for (const options of [
      { clipNorm: 0.5, rateSchedule },
      { clipValue: 0.3, accumulate: 2 },
    ]) {
      const whole = { optimizer, ...options };
      const slots = slotsOf(whole);
      const avals = [
        ...["parameters", "gradient"].map((name) => vector(name, [arena.size])),
        ...slots.map((slot) => vector(`slot/${slot}`, isCount(slot) ? [] : [arena.size])),
        ...["step", "weight", "learningRate"].map((name) => vector(name, [])),
      ];
      const graph = traceGraph("update", avals, (tensors) => {
        const named = Object.fromEntries(avals.map(({ name }, i) => [name, at(tensors, i) as Float]));
        const given = Object.fromEntries(slots.map((slot) => [slot, named[`slot/${slot}`] as Float]));
        const { parameters, gradient, step, weight, learningRate } = named as Record<string, Float>;
        const result = update(whole, {
          parameters,
          gradient,
          step,
          weight,
          learningRate,
          slots: given,
          arena,
        } as never);
        return [result.parameters, result.norm, ...slots.map((slot) => result.slots[slot] as Float)];
      });
      const values = dataFor(avals, {}).map((array, i) => {
        const { name } = at(avals, i);
        if (name === "step") return { ...array, data: Float64Array.of(4) };
        if (name === "weight") return { ...array, data: Float64Array.of(12) };
        // Moments of squares and counts are not negative.
        return name.startsWith("slot/") ? { ...array, data: array.data.map((x) => 0.5 + 0.5 * x * x) } : array;
      });
      yield valueCase(`update by ${optimizer.name}${"accumulate" in options ? ", accumulated" : ""}`, graph, values);
    }
}

export const networkGroups: readonly JaxGroup[] = [
  { name: "random cells", cases: ofRandomCells },
  { name: "cells", cases: ofCells },
  { name: "networks", cases: ofNetworks },
  { name: "losses", cases: ofLosses },
  { name: "updates", cases: ofOptimizers },
  { name: "exported updates", cases: ofExportedUpdates },
];
