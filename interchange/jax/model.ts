/**
 * @file `modelToJax`: a folder that trains a model with JAX: model.py with the network, its loss and the update of its
 * optimizer as functions, train.py, which runs them on all devices, and the model file itself, which train.py reads and
 * writes.
 */
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import { model } from "../../compiler/dsl/model.ts";
import { randomness, stepKey } from "../../compiler/dsl/randomness.ts";
import { at, expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { type Graph, inputName, type NodeId } from "../../compiler/graph/graph.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { cast, mul } from "../../compiler/ops/elementwise.ts";
import { type NamedAval, traceGraph } from "../../compiler/ops/trace.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { arenaOf } from "../../train/arena.ts";
import { ofStack, overTime, type StackOptions } from "../../train/cell-stack.ts";
import { encodeGraph } from "../../train/files/graph-json.ts";
import { encodeModel, type SavedModel } from "../../train/files/model-file.ts";
import { lossOf } from "../../train/loss-parts.ts";
import { languageModel, type Network, type NetworkState, seriesModel } from "../../train/networks.ts";
import { clipByGlobalNorm, clipByValue } from "../../train/optimizers/clipping.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import { checkUpdate, type UpdateOptions } from "../../train/optimizers/update.ts";
import { streamingStep } from "../../train/prediction-step.ts";
import { trainingStep } from "../../train/training-step.ts";
import { modelInWords } from "../model-metadata.ts";
import { type Argument, addFunction, argumentsOf } from "./function.ts";
import { ModuleWriter } from "./module.ts";
import { code, dictionary, quoted, statement, tuple } from "./python.ts";
import { readme, requirementsOf } from "./readme.ts";
import type { SourceLine } from "./source-names.ts";
import { trainScript } from "./train-script.ts";
import type { TrainScriptOptions } from "./training/options.ts";
import { updateText } from "./update-text.ts";

type Float = Tensor<"f32">;

/** Options of `modelToJax`. */
export interface ModelToJaxOptions extends StackOptions {
  /** The cell of all layers, which the file does not contain as source. */
  readonly cell: CellDefinition;
  /** The update: an optimizer, limits of the gradient, and a schedule; by default Adam. */
  readonly update?: UpdateOptions;
  /** What the files that train.py writes say of the update, for `cellgrad train --resume`. */
  readonly updateRecord?: Readonly<Record<string, string | number>>;
  /** The text of a line of the cell's source, for names and comments. */
  readonly source?: SourceLine;
}

/**
 * The files of the folder by name, for a model of text or of a series whose layers have one cell.
 *
 * @throws UserError if the model has another cell, or is of another kind.
 */
export function modelToJax(saved: SavedModel, options: ModelToJaxOptions): Record<string, Uint8Array> {
  const given = checkedOptions("modelToJax", options, {
    ...{ cell: "function", update: "object", updateRecord: "object", source: "function" },
    ...ofStack,
  });
  expectArgument(
    typeof saved?.kind === "string" && "graph" in saved,
    "modelToJax: the model",
    saved,
    "the result of savedModel or loadModel",
  );
  const { update = { optimizer: adam() }, updateRecord = {}, source } = given;
  const network = networkOf(saved, given);
  checkUpdate(update);
  if (update.precision === "mixed")
    throw new UserError("modelToJax: train.py has bf16 in place of mixed precision; leave precision out");
  const { accumulate = 1 } = update;
  const record = { ...updateRecord, ...(accumulate > 1 && { accumulate }) };
  const isRandom = trainingStep(network, update).isSeeded;
  const reads = readingOf(saved);
  const encoder = new TextEncoder();
  const about = modelInWords(saved);
  return {
    "model.py": encoder.encode(moduleText(network, update, record, source, about, isRandom)),
    "train.py": encoder.encode(trainScript({ reads, isRandom, unit: unitOf[reads] })),
    "weights.safetensors": encodeModel(saved),
    "requirements.txt": encoder.encode(requirementsOf(reads)),
    "README.md": encoder.encode(readme(about, saved.kind === "series" ? "series.csv" : "book.txt")),
  };
}

const unitOf: Readonly<Record<TrainScriptOptions["reads"], string>> = {
  characters: "nats per character",
  bytes: "nats per byte",
  tokens: "nats per token",
  table: "mean squared error, in units of the variance",
};

function readingOf({ kind, tokens, tokenizer }: SavedModel): TrainScriptOptions["reads"] {
  if (kind === "series") return "table";
  return tokenizer === undefined ? (tokens ?? "characters") : "tokens";
}

/** The network that the model was saved from. */
function networkOf(
  model: SavedModel,
  { cell, dropout, recurrentDropout, zoneout, connection }: ModelToJaxOptions,
): Network {
  if (model.kind !== "text" && model.kind !== "series")
    throw new UserError(
      `a model of kind ${model.kind} has no train.py; print its loss with graphToJax, and train it with a loop of your own`,
    );
  const { units, layers, embed = 1, vocabulary = [], columns = [] } = model;
  const around = {
    ...(dropout !== undefined && { dropout }),
    ...(recurrentDropout !== undefined && { recurrentDropout }),
    ...(zoneout !== undefined && { zoneout }),
    ...(connection !== undefined && { connection }),
  };
  const network =
    model.kind === "text"
      ? languageModel({ ...around, cell, units, layers, embed, vocabulary: vocabulary.length })
      : seriesModel({ ...around, cell, units, layers, features: columns.length });
  if (encodeGraph(streamingStep(network).graph) !== encodeGraph(model.graph))
    throw new UserError(`the cell ${cell.cellName} is not the one that the model was trained with`);
  return network;
}

function moduleText(
  network: Network,
  update: UpdateOptions,
  updateRecord: Readonly<Record<string, string | number>>,
  source: SourceLine | undefined,
  about: string,
  isRandom: boolean,
): string {
  const carries = Object.fromEntries(network.layers.map(({ name, stateShapes }) => [name, Object.keys(stateShapes)]));
  const module = new ModuleWriter({ carries, source });
  const states = Object.entries(network.stateShapes);
  const constants = [
    ...statement("SLOTS = ", tuple(update.optimizer.slots.map((slot) => code(quoted(slot)))), 0),
    ...statement(
      "STATES = ",
      dictionary(states.map(([name, shape]) => [name, tuple(shape.map((n) => code(String(n)))).text])),
      0,
    ),
    ...statement(
      "UPDATE = ",
      dictionary(Object.entries(updateRecord).map(([key, value]) => [key, JSON.stringify(value)])),
      0,
    ),
  ];
  const whole = (
    what: string,
    run: (parameters: Record<string, Float>, rest: readonly Tensor[]) => readonly Tensor[],
    avals: readonly NamedAval[],
  ) => {
    const weights = network.specs.map(
      ({ path, shape }): NamedAval => ({ name: `parameters/${path}`, dtype: "f32", shape }),
    );
    return traceGraph(what, [...weights, ...avals], (tensors) =>
      run(
        Object.fromEntries(network.specs.map(({ path }, i) => [path, at(tensors, i) as Float])),
        tensors.slice(network.specs.length),
      ),
    );
  };
  const stateAvals = states.map(
    ([name, shape]): NamedAval => ({ name: `state/${name}`, dtype: "f32", shape: ["B", ...shape] }),
  );
  const stateOf = (tensors: readonly Tensor[]) =>
    Object.fromEntries(states.map(([name], i) => [name, at(tensors, i) as Float]));
  const after = (state: Readonly<Record<string, Float>>) => states.map(([name]) => state[name] as Float);
  const forward = whole(
    "network",
    (parameters, rest) => {
      const { output, state } = network.model.apply(parameters, at(rest, states.length), stateOf(rest));
      return [output, ...after(state)];
    },
    [...stateAvals, { name: "x", ...network.x }],
  );
  const cost = traceGraph(
    "cost",
    [
      { name: "output", dtype: "f32", shape: ["T", "B", network.config.outputs] },
      { name: "targets", ...network.targets },
    ],
    ([output, targets]) => [lossOf(network.loss(output as Float, targets as Tensor))],
  );
  const returns = (name: string) => [
    { output: 0, name },
    { entries: states.map(([key], i) => ({ key, output: i + 1 })), name: "next_state" },
  ];
  addFunction(module, {
    ...{ name: "network", graph: forward, arguments: withStates(forward), returns: returns("output") },
    about: "The output of each step, and the state after the last one.",
  });
  const costName = addFunction(module, {
    ...{ name: network.kind === "text" ? "cross_entropy" : "squared_error", graph: cost },
    ...{ arguments: argumentsOf(cost), returns: [{ output: 0, name: "cost" }] },
    about: "The mean cost of an output.",
  });
  module.add(lossText(costName).split("\n"));
  if (isRandom) {
    const training = whole(
      "training_network",
      (parameters, rest) => {
        const random = randomness(at(rest, states.length + 1) as Tensor<"u32">);
        const run = model("network", (x: Tensor, state: NetworkState) => network.through(x, state, overTime, random));
        const { output, state } = run.apply(parameters, at(rest, states.length), stateOf(rest));
        return [output, ...after(state)];
      },
      [...stateAvals, { name: "x", ...network.x }, { name: "key", dtype: "u32", shape: [] }],
    );
    addFunction(module, {
      ...{ name: "training_network", graph: training, arguments: withStates(training), returns: returns("output") },
      about: "As network, with what training drops at random; equal keys drop the same.",
    });
    module.add(lossText(costName, true).split("\n"));
    const number = { dtype: "u32", shape: [] } as const;
    const key = traceGraph(
      "step_key",
      [
        { name: "seed", ...number },
        { name: "step", dtype: "f32", shape: [] },
      ],
      ([seed, step]) => [stepKey(seed as Tensor<"u32">, cast(step as Float, "u32"))],
    );
    addFunction(module, {
      ...{ name: "step_key", graph: key, returns: [{ output: 0, name: "key" }] },
      arguments: argumentsOf(key).map(
        (argument): Argument => ({ ...argument, about: aboutOfKey[argument.name] ?? "" }),
      ),
      about: "The key of the random numbers of a batch.",
    });
  }
  addUpdate(module, network, update);
  return module.text(`Printed by cellgrad: ${about}.`, constants);
}

const aboutOfKey: Readonly<Record<string, string>> = {
  seed: "u32",
  step: "the number of batches before",
};

const lossText = (cost: string, isRandom = false) => `def ${isRandom ? "training_" : ""}loss(
    params: Params,
    state: dict[str, Array],
    x: Array,
    targets: Array,
${isRandom ? "    key: Array,\n" : ""}) -> tuple[Array, dict[str, Array]]:
    """The loss ${isRandom ? "with what training drops" : "that training minimizes"}, and the state after the last step."""
    output, next_state = ${isRandom ? "training_network(params, state, x, key)" : "network(params, state, x)"}
    # A mean over many steps needs more digits than bfloat16 has.
    exact = output.astype(jnp.promote_types(output.dtype, jnp.float32))
    return ${cost}(exact, targets), next_state`;

/** The arguments of a graph, with all states as one dict. */
function withStates(graph: Graph): Argument[] {
  const isState = (id: NodeId) => inputName(graph, id).startsWith("state/");
  const [params, ...others] = argumentsOf({ ...graph, inputs: graph.inputs.filter((id) => !isState(id)) });
  const state: Argument = {
    name: "state",
    inputs: graph.inputs.filter(isState).map((id) => ({ id, keys: [inputName(graph, id).slice("state/".length)] })),
  };
  return [...(params === undefined ? [] : [params]), ...(state.inputs.length === 0 ? [] : [state]), ...others];
}

/** Adds the update of one array, and `update`, which applies it to all. Arrays of different rules have functions of their own. */
function addUpdate(module: ModuleWriter, { specs }: Network, options: UpdateOptions): void {
  const { optimizer, clipNorm, clipValue, rateSchedule } = options;
  const slots = optimizer.slots;
  const names = new Map<string, string>();
  const ruleOf = new Map<string, string>();
  for (const { path, shape } of specs) {
    const arena = arenaOf([{ path, shape }]);
    const flat = { dtype: "f32", shape: [arena.size] } as const;
    const number = { dtype: "f32", shape: [] } as const;
    const avals: NamedAval[] = [
      { name: "parameter", ...flat },
      { name: "gradient", ...flat },
      { name: "norm", ...number },
      ...slots.map((slot) => ({ name: `slot_${slot}`, ...flat })),
      { name: "step", ...number },
      { name: "learning_rate", ...number },
    ];
    const graph = traceGraph("rule", avals, (tensors) => {
      const [parameter, gradient, norm, ...rest] = tensors as readonly Float[] as readonly [
        Float,
        Float,
        Float,
        ...Float[],
      ];
      const [step, learningRate] = rest.slice(slots.length) as [Float, Float];
      const byNorm = clipNorm === undefined ? gradient : clipByGlobalNorm(gradient, norm, clipNorm);
      const next = optimizer.update({
        ...{ parameter, step, arena },
        gradient: clipValue === undefined ? byNorm : clipByValue(gradient, clipValue),
        slots: Object.fromEntries(slots.map((slot, i) => [slot, at(rest, i)])),
        learningRate: rateSchedule === undefined ? learningRate : mul(learningRate, rateSchedule(step)),
      });
      return [next.parameter, ...slots.map((slot) => next.slots[slot] as Float)];
    });
    const printed = {
      ...{ name: optimizer.name, graph },
      // A rule is elementwise, so it is the same for every shape.
      arguments: argumentsOf(graph).map((argument): Argument => ({ ...argument, about: aboutOf(argument.name) })),
      returns: [...["parameter", ...slots].entries()].map(([output, name]) => ({ output, name: `next_${name}` })),
      about: `The update of one array, of any shape, by ${optimizer.name}.`,
    };
    const alone = new ModuleWriter();
    addFunction(alone, printed);
    const text = alone.text("");
    const name = names.get(text) ?? addFunction(module, printed);
    names.set(text, name);
    ruleOf.set(path, name);
  }
  module.add(updateText(ruleOf, slots.length > 0).split("\n"));
}

function aboutOf(name: string): string {
  const known: Readonly<Record<string, string>> = {
    parameter: "before the update",
    gradient: "of the loss",
    norm: "of the gradient of all parameters",
    step: "1 for the first update",
    learning_rate: "before the schedule",
  };
  return known[name] ?? "what the optimizer keeps between updates";
}
