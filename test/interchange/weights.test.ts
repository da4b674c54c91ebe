/**
 * @file Import and export of weights: a round trip preserves every bit, state dicts become models, and errors are one line
 * that says what and where.
 */
import { describe, expect, test } from "vitest";
import { cells } from "../../cells/index.ts";
import { type NdArray, ndarray, zeros } from "../../compiler/graph/ndarray.ts";
import { languageModel } from "../../entries/networks.ts";
import {
  fromKeras,
  fromParameters,
  fromPyTorch,
  kerasLayers,
  modelFrom,
  type NetworkWeights,
  pyTorchModule,
  toKeras,
  toParameters,
  toPyTorch,
  toPyTorchLike,
  weightsOf,
} from "../../entries/weights.ts";
import { add, type CellDefinition, cell, dense, mul, sigmoid, UserError } from "../../index.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";
import { savedModel } from "../../train/files/model-file.ts";
import type { Arrays } from "./imported-stack.ts";

const [symbols, features, units, layers] = [5, 3, 4, 2];
const random = generator(41);
/** As files hold them; among them a zero with a sign. */
const f32 = (shape: readonly number[]): NdArray => {
  const { data } = randomFloats(random, shape);
  return ndarray(shape, [-0, ...Float32Array.from(data).subarray(1)]);
};

/** A state dict of nn.Embedding, a recurrent module and nn.Linear. */
function stateDict(
  gates: number,
  options: { bias?: boolean; both?: boolean; prefix?: string } = {},
): Record<string, NdArray> {
  const { bias = true, both = false, prefix = "rnn." } = options;
  const tensors: Record<string, NdArray> = { "embedding.weight": f32([symbols, features]) };
  for (let layer = 0; layer < layers; layer++)
    for (const suffix of both ? [`l${layer}`, `l${layer}_reverse`] : [`l${layer}`]) {
      const width = layer === 0 ? features : units * (both ? 2 : 1);
      tensors[`${prefix}weight_ih_${suffix}`] = f32([gates * units, width]);
      tensors[`${prefix}weight_hh_${suffix}`] = f32([gates * units, units]);
      if (!bias) continue;
      tensors[`${prefix}bias_ih_${suffix}`] = f32([gates * units]);
      tensors[`${prefix}bias_hh_${suffix}`] = f32([gates * units]);
    }
  const width = units * (both ? 2 : 1);
  return { ...tensors, "head.weight": f32([symbols, width]), "head.bias": f32([symbols]) };
}

const bits = (arrays: Arrays) =>
  Object.entries(arrays)
    .map(([name, { shape, data }]) => [name, shape, [...new Uint8Array(data.slice().buffer)].join()])
    .toSorted();

/** Parameters as a model file keeps them: in f32. */
function keptParameters(weights: NetworkWeights): Record<string, NdArray> {
  const parameters = Object.entries(toParameters(weights));
  return Object.fromEntries(parameters.map(([path, array]) => [path, { ...array, data: array.data.map(Math.fround) }]));
}

/** Through a model file. */
const kept = (weights: NetworkWeights) => fromParameters(keptParameters(weights), "kept");

const modules: [title: string, gates: number, both: boolean][] = [
  ["nn.RNN", 1, false],
  ["nn.LSTM", 4, false],
  ["nn.GRU", 3, false],
  ["nn.LSTM both ways", 4, true],
  ["nn.GRU both ways", 3, true],
];

describe.each(modules)("%s", (_title, gates, both) => {
  const tensors = stateDict(gates, { both });

  test("a state dict survives a round trip bit for bit", () => {
    expect(bits(toPyTorch(fromPyTorch(tensors, "dict")))).toEqual(bits(tensors));
  });

  test("through a model too, into the original dict", () => {
    expect(bits(toPyTorchLike(kept(fromPyTorch(tensors, "dict")), tensors, "dict"))).toEqual(bits(tensors));
  });

  test("without that dict, two biases become their sum and zeros", () => {
    const back = toPyTorch(kept(fromPyTorch(tensors, "dict")));
    expect(Object.keys(back).toSorted()).toEqual(Object.keys(tensors).toSorted());
    const sumsOf = (all: Arrays) =>
      Object.keys(all)
        .filter((name) => name.includes("bias_ih"))
        .flatMap((name) => {
          const [first, second] = [all[name], all[name.replace("_ih", "_hh")]];
          return [...(first?.data ?? [])].map((value, i) => Math.fround(value + (second?.data[i] ?? Number.NaN)));
        });
    for (const [i, sum] of sumsOf(tensors).entries()) expect(sumsOf(back)[i]).toBeCloseTo(sum, 15);
    const matrices = (all: Arrays) =>
      bits(Object.fromEntries(Object.entries(all).filter(([key]) => !key.includes("bias_"))));
    expect(matrices(back)).toEqual(matrices(tensors));
  });

  test("parameters survive a round trip through PyTorch and Keras bit for bit", () => {
    const parameters = keptParameters(fromPyTorch(tensors, "dict"));
    const weights = fromParameters(parameters, "parameters");
    expect(bits(toParameters(fromPyTorch(toPyTorch(weights), "dict")))).toEqual(bits(parameters));
    expect(bits(toParameters(fromKeras(toKeras(weights), "layers")))).toEqual(bits(parameters));
  });
});

test("the parameters are those of the model's network", () => {
  const weights = fromPyTorch(stateDict(4), "dict");
  const definition = cells.lstm as CellDefinition;
  const network = languageModel({ cell: definition, units, layers, vocabulary: symbols, embed: features });
  const model = modelFrom(weights, { vocabulary: [..."abcde"] });
  expect(model).toMatchObject({ kind: "text", cell: "lstm", units, layers, embed: features });
  const shapes = Object.entries(model.parameters).map(([path, { shape }]) => ({ path, shape }));
  expect(shapes.toSorted((a, b) => (a.path < b.path ? -1 : 1))).toEqual(
    network.specs.map(({ path, shape }) => ({ path, shape })).toSorted((a, b) => (a.path < b.path ? -1 : 1)),
  );
});

test("weights are exported only if other frameworks compute the same with them", () => {
  const vocabulary = [..."abcde"];
  const imported = modelFrom(fromPyTorch(stateDict(4), "dict"), { vocabulary });
  const weights = weightsOf(imported, "model");
  expect(toParameters(weights)).toEqual(imported.parameters);
  const sizes = { units, layers, vocabulary: symbols, embed: features };
  const stranger = cell("lstm", { state: ({ units }) => ({ c: [units], h: [units] }) }, ({ x, c, h, units }) => {
    const gate = (name: string) => sigmoid(dense(name, [x, h], units));
    const next = add(mul(gate("forget"), c), mul(gate("input"), gate("candidate")));
    const output = mul(gate("output"), next);
    return { state: { c: next, h: output }, output };
  });
  const networks = [
    languageModel({ ...sizes, cell: stranger }),
    languageModel({ ...sizes, cell: cells.lstm as CellDefinition, connection: "residual" }),
  ];
  for (const network of networks)
    expect(() => weightsOf(savedModel(network, imported.parameters, { vocabulary }), "model")).toThrow(
      'model: it is not a plain stack of layers of the built-in cell "lstm"',
    );
});

test("modules are found under any name; a prefix ignores all others", () => {
  const {
    "embedding.weight": table,
    "head.weight": weight,
    "head.bias": bias,
    ...rest
  } = stateDict(3, { prefix: "a.core." });
  const renamed = { ...rest, "a.tokens.weight": table, "out.weight": weight, "out.bias": bias } as Arrays;
  expect(fromPyTorch(renamed, "dict")).toMatchObject({ embedding: table, head: { bias } });
  const two = { ...renamed, ...stateDict(3, { prefix: "b." }), "norm.running": f32([3]) };
  const chosen = fromPyTorch(two, "dict", { prefix: "a.core.", head: "out" });
  expect(chosen).toMatchObject({ cell: "gru-reset-after", head: { bias } });
  expect(chosen.embedding).toBeUndefined();
  const like = toPyTorchLike(chosen, two, "dict", { prefix: "a.core.", head: "out" });
  expect(bits(like)).toEqual(bits(two));
});

test("a module without biases stays one", () => {
  const tensors = stateDict(3, { bias: false });
  const weights = kept(fromPyTorch(tensors, "dict"));
  expect(bits(toPyTorchLike(weights, tensors, "dict"))).toEqual(bits(tensors));
  const changed = toParameters(weights);
  changed["layers/1/gru-reset-after/update/bias"] = f32([units]);
  expect(() => toPyTorchLike(fromParameters(changed, "p"), tensors, "dict")).toThrow(
    new UserError('dict: it has no tensor "rnn.bias_ih_l1" to write to'),
  );
});

test("only trained weights change", () => {
  const tensors = stateDict(4);
  const parameters = toParameters(kept(fromPyTorch(tensors, "dict")));
  const bias = parameters["layers/0/lstm/output/bias"] as NdArray;
  parameters["layers/0/lstm/output/bias"] = { ...bias, data: bias.data.map((value, i) => (i === 1 ? 7 : value)) };
  const back = toPyTorchLike(fromParameters(parameters, "trained"), tensors, "dict");
  const changed = Object.keys(tensors).flatMap((name) =>
    [...(tensors[name]?.data ?? [])].flatMap((value, i) =>
      Object.is(value, back[name]?.data[i]) ? [] : [`${name} ${i}`],
    ),
  );
  const place = 3 * units + 1;
  expect(changed).toEqual([`rnn.bias_ih_l0 ${place}`, `rnn.bias_hh_l0 ${place}`]);
  expect([back["rnn.bias_ih_l0"]?.data[place], back["rnn.bias_hh_l0"]?.data[place]]).toEqual([7, 0]);
});

test("Keras layers are in the order of their numbers, and older names end with :0", () => {
  const written = toKeras(fromPyTorch(stateDict(4), "dict"));
  const renamed = Object.entries(written).map(([name, array]) => [
    `${name.replace("lstm_1/", "lstm_10/").replace(/^lstm\//, "lstm_9/")}:0`,
    array,
  ]);
  expect(toKeras(fromKeras(Object.fromEntries(renamed.reverse()), "layers"))).toEqual(written);
});

describe("facts that are not in a file", () => {
  const dict = stateDict(4);
  const linear = { "fc.weight": f32([symbols, units]) };
  const core = Object.fromEntries(Object.entries(dict).filter(([key]) => key.startsWith("rnn.")));
  const square = { "rnn.weight_ih_l0": f32([16, 4]), "rnn.weight_hh_l0": f32([16, 4]) };

  test("a Linear without bias is the head if its width is that of the layers", () => {
    const read = fromPyTorch({ ...core, ...linear }, "w");
    expect(read.embedding).toBeUndefined();
    expect(read.head?.kernel.shape).toEqual([units, symbols]);
    expect(read.assumed).toEqual([
      "fc is assumed to be the head, because nothing else fits; set others with the options embedding and head",
    ]);
    // Beside an embedding both are found by their widths, whatever they are called.
    const both = fromPyTorch({ ...core, "a.weight": f32([symbols, units]), "b.weight": f32([symbols, features]) }, "w");
    expect([both.embedding?.shape, both.head?.kernel.shape]).toEqual([
      [symbols, features],
      [units, symbols],
    ]);
  });

  test("an ambiguous module has the role it is named for", () => {
    const file = { ...square, "fc.weight": f32([3, 4]) };
    expect(() => fromPyTorch(file, "w")).toThrow(
      new UserError(
        "w: its modules can be read in several ways: fc is the head, or fc is the embedding; name the embedding or the head (embedding, head)",
      ),
    );
    expect(fromPyTorch(file, "w", { head: "fc" })).toMatchObject({ head: { kernel: { shape: [4, 3] } } });
    expect(fromPyTorch(file, "w", { embedding: "fc" }).embedding?.shape).toEqual([3, 4]);
    const two = { ...file, "tokens.weight": f32([3, 4]) };
    expect(() => fromPyTorch(two, "w")).toThrow(
      /^w: its modules can be read in several ways: fc is the embedding and tokens/,
    );
    expect(fromPyTorch(two, "w", { head: "fc" }).embedding).toEqual(two["tokens.weight"]);
    // A bias leaves one reading alone, of one width too.
    expect(fromPyTorch({ ...two, "fc.bias": f32([3]) }, "w").embedding).toEqual(two["tokens.weight"]);
  });

  test("a normalization is not a head, and a bias without its own weight is reported", () => {
    const norm = { "norm.weight": f32([units]), "norm.bias": f32([units]) };
    expect(() => fromPyTorch({ ...core, ...norm }, "w")).toThrow(
      /^w: tensor "norm.weight" and 1 more belong to no layer/,
    );
    expect(() => fromPyTorch({ ...core, "decoder.bias": f32([5]) }, "w")).toThrow(
      'w: tensor "decoder.bias" has no matching weight; a weight shared by two modules must be stored under both names',
    );
  });

  test("the nonlinearity is reported as an assumption, unless it is named", () => {
    const read = fromPyTorch(stateDict(1), "w").assumed;
    expect(read?.[0]).toBe(
      "the nonlinearity is assumed to be tanh, because weights do not record it; give cell relu-rnn for relu",
    );
    expect(fromPyTorch(stateDict(1), "w", { cell: "rnn" }).assumed?.length).toBe(1);
    const keras = { "rnn/kernel": f32([3, 4]), "rnn/recurrent_kernel": f32([4, 4]) };
    expect(fromKeras(keras, "k").assumed).toEqual([read?.[0]]);
    const gru = { "gru/kernel": f32([3, 12]), "gru/recurrent_kernel": f32([4, 12]) };
    expect(fromKeras(gru, "k").assumed).toEqual([
      "reset_after is assumed to be True, because there are no biases that show it; give cell gru for False",
    ]);
  });

  const layer = (name: string, width: number, size = 3) => ({
    [`${name}/lstm_cell/kernel`]: f32([width, 4 * size]),
    [`${name}/lstm_cell/recurrent_kernel`]: f32([size, 4 * size]),
    [`${name}/lstm_cell/bias`]: f32([4 * size]),
  });
  const inputs = (weights: NetworkWeights) => weights.layers.map(({ forward }) => forward.input?.recurrent.data[1]);
  const firstOf = (all: Arrays, names: readonly string[]) =>
    names.map((name) => all[`${name}/lstm_cell/recurrent_kernel`]?.data[1]);

  test("Keras layers are ordered by their numbers", () => {
    const file = { ...layer("lstm_10", 3), ...layer("lstm_9", 3), ...layer("lstm", 3) };
    const read = fromKeras(file, "k");
    expect(inputs(read)).toEqual(firstOf(file, ["lstm", "lstm_9", "lstm_10"]));
    expect(read.assumed).toEqual([
      "the layers are ordered by their numbers: lstm, lstm_9, lstm_10; set another order with the option layers",
    ]);
  });

  test("or by their sizes, or as listed", () => {
    const two = { ...layer("out", 3), ...layer("first", 5) };
    expect(inputs(fromKeras(two, "k"))).toEqual(firstOf(two, ["first", "out"]));
    const three = { ...layer("seq/lstm_in", 3), ...layer("seq/lstm_hidden", 3), ...layer("seq/lstm_out", 3) };
    expect(() => fromKeras(three, "k")).toThrow(
      new UserError(
        "k: neither the names nor the sizes of its recurrent layers, seq/lstm_hidden, seq/lstm_in, seq/lstm_out, determine their order; list them from the input with the option layers, or read a .keras or .weights.h5 file, which records it",
      ),
    );
    const names = ["lstm_in", "lstm_hidden", "lstm_out"];
    const read = fromKeras(three, "k", { layers: names });
    expect(inputs(read)).toEqual(
      firstOf(
        three,
        names.map((name) => `seq/${name}`),
      ),
    );
    expect(read.assumed).toBeUndefined();
    expect(() => fromKeras(three, "k", { layers: [...names, "more"] })).toThrow(
      'k: no recurrent layer is called "more"; it has seq/lstm_hidden, seq/lstm_in, seq/lstm_out',
    );
    expect(() => fromKeras(three, "k", { layers: ["lstm_in"] })).toThrow(
      /^k: tensor "seq\/lstm_hidden\/lstm_cell\/kernel" and 5 more belong/,
    );
  });

  test("layers of different widths are an error", () => {
    const file = { ...layer("lstm", 3, 8), ...layer("lstm_1", 8, 4) };
    const line = (a: string, b: string) =>
      `its layers have different widths (units: ${a} has 8, ${b} has 4); all layers must have the same`;
    expect(() => fromKeras(file, "k")).toThrow(new UserError(`k: ${line("lstm", "lstm_1")}`));
    const deep = (i: number, width: number, size: number) =>
      Object.fromEntries(
        ["input", "forget", "candidate", "output"].flatMap((gate) => [
          [`layers/${i}/lstm/${gate}/kernel`, f32([width + size, size])],
          [`layers/${i}/lstm/${gate}/bias`, f32([size])],
        ]),
      );
    expect(() => fromParameters({ ...deep(0, 3, 8), ...deep(1, 8, 4) }, "p")).toThrow(
      new UserError(`p: ${line("layers/0", "layers/1")}`),
    );
  });
});

test("the Python expressions fit the weights", () => {
  const weights = fromPyTorch(stateDict(1, { both: true }), "dict", { cell: "relu-rnn" });
  expect(pyTorchModule(weights)).toBe('torch.nn.RNN(3, 4, num_layers=2, nonlinearity="relu", bidirectional=True)');
  expect(kerasLayers(weights)).toBe(
    'keras.layers.Bidirectional(keras.layers.SimpleRNN(4, return_sequences=True, activation="relu"))',
  );
});

describe("one-line errors", () => {
  const lstm = stateDict(4);
  const without = (name: string) => Object.fromEntries(Object.entries(lstm).filter(([key]) => key !== name));
  const strange = { ...lstm, "rnn.weight_hh_l1": f32([16, 3]) };
  const linear = { "extra.weight": f32([2, 2]), "extra.bias": f32([2]) };

  test.each<[string, () => unknown, string]>([
    [
      "a missing tensor",
      () => fromPyTorch(without("rnn.bias_hh_l1"), "w"),
      'w: tensor "rnn.bias_hh_l1" is missing: layer l1 needs it',
    ],
    [
      "a missing layer",
      () => fromPyTorch({ ...lstm, "rnn.weight_ih_l3": f32([16, 4]) }, "w"),
      'w: tensor "rnn.weight_ih_l2" is missing: layer l2 needs it',
    ],
    ["a wrong shape", () => fromPyTorch(strange, "w"), 'w: tensor "rnn.weight_hh_l1" is [16, 3]; expected [16, 4]'],
    [
      "a number of layers that nobody has",
      () => fromPyTorch({ ...lstm, "rnn.weight_ih_l99999999999": f32([16, 4]) }, "w"),
      'w: tensor "rnn.weight_ih_l2" is missing: layer l2 needs it',
    ],
    [
      "a wrong dtype",
      () => fromPyTorch({ ...lstm, "rnn.bias_ih_l0": zeros([16], "i32") }, "w"),
      'w: tensor "rnn.bias_ih_l0" is i32; expected f32',
    ],
    [
      "tensors of no layer",
      () => fromPyTorch({ ...lstm, "scale.gain": f32([2]) }, "w"),
      `w: tensor "scale.gain" belongs to no layer: name the embedding and the head, or give the prefix of the recurrent module to ignore all others`,
    ],
    [
      "two heads",
      () => fromPyTorch({ ...lstm, ...linear }, "w"),
      `w: tensor "embedding.weight" and 4 more belong to no layer: name the embedding and the head, or give the prefix of the recurrent module to ignore all others`,
    ],
    [
      "two recurrent modules",
      () => fromPyTorch({ ...lstm, ...stateDict(3, { prefix: "b." }) }, "w"),
      "w: it has several recurrent modules; choose one by its prefix: rnn., b.",
    ],
    [
      "no recurrent module",
      () => fromPyTorch(linear, "w"),
      "w: it has no weight_ih_l0, so it is not a state dict with an nn.RNN, nn.LSTM or nn.GRU",
    ],
    [
      "a cell of other gates",
      () => fromPyTorch(lstm, "w", { cell: "rnn" }),
      "w: its layers have 4 gates, and cell rnn has 1",
    ],
    [
      "a cell that PyTorch has not",
      () => fromPyTorch(stateDict(3), "w", { cell: "gru" }),
      "w: PyTorch has no module that computes cell gru",
    ],
    [
      "a cell without a counterpart",
      () => fromPyTorch(lstm, "w", { cell: "mgu" }),
      'cell "mgu" has no counterpart in other frameworks; cells with one are rnn, relu-rnn, lstm, gru-reset-after, gru',
    ],
    [
      "projections",
      () => fromPyTorch({ ...lstm, "rnn.weight_hr_l0": f32([2, 4]) }, "w"),
      "w: the LSTM has projections (proj_size), which are not supported",
    ],
    [
      "a parameter that is missing",
      () => fromParameters({ "layers/0/lstm/input/kernel": f32([7, 4]) }, "p"),
      'p: tensor "layers/0/lstm/input/bias" is missing: layers/0/lstm needs it',
    ],
    [
      "a parameter too many",
      () => fromParameters({ ...toParameters(fromPyTorch(lstm, "w")), "attention/kernel": f32([2, 2]) }, "p"),
      'p: tensor "attention/kernel" belongs to no layer: only embedding/table, layers/… and head/… can be converted',
    ],
    [
      "no layers",
      () => fromParameters(linear, "p"),
      "p: it has no layer; expected parameters such as layers/0/lstm/input/kernel",
    ],
    [
      "no Keras layer",
      () => fromKeras(linear, "k"),
      "k: it has no recurrent_kernel of a forward layer, so these are not weights of a Keras RNN",
    ],
    [
      "a Keras bias of another kind",
      () =>
        fromKeras({ "gru/kernel": f32([3, 12]), "gru/recurrent_kernel": f32([4, 12]), "gru/bias": f32([2, 9]) }, "k"),
      'k: tensor "gru/bias" is [2, 9]; expected [2, 12]',
    ],
    [
      "a vocabulary of another size",
      () => modelFrom(fromPyTorch(lstm, "w"), { vocabulary: ["a", "b"] }),
      "there are 2 symbols in the vocabulary for 5 rows of the embedding",
    ],
    [
      "a model both ways",
      () => modelFrom(fromPyTorch(stateDict(4, { both: true }), "w"), { vocabulary: [..."abcde"] }),
      "its layers are bidirectional, so it cannot run step by step; use its parameters in code",
    ],
    [
      "an original of another size",
      () => toPyTorchLike(fromPyTorch(lstm, "w"), stateDict(4, { both: true }), "w"),
      "the original is lstm, 2 x 4 units, 3 features, both ways; these weights are lstm, 2 x 4 units, 3 features",
    ],
  ])("%s", (_title, act, message) => {
    expect(act).toThrow(new UserError(message));
  });
});
