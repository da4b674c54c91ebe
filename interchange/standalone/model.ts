/**
 * @file Compiles a trained model ahead of time: its step and weights as one WebAssembly module, and a loader for programs.
 * The kernels are those of the `cpu` device, without instructions that only some engines have, so results are the same bit
 * for bit in all of them.
 */
import { planCpuProgram } from "../../compiler/compile-cpu.ts";
import { evaluateShape } from "../../compiler/graph/dim.ts";
import { expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { type Graph, inputName, type NodeId, nodeAt } from "../../compiler/graph/graph.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { packArrays } from "../../train/arena.ts";
import type { SavedModel } from "../../train/files/model-file.ts";
import { isRead, outputNames, stepSource } from "../../train/model-source.ts";
import { withSharedConstants } from "../../wasm/constants.ts";
import { encodeModule } from "../../wasm/encode.ts";
import { modelInWords, tokensOf } from "../model-metadata.ts";
import { bakeProgram, type Place } from "./bake.ts";
import { type Facts, type NumbersAt, nameOfUse, type Shapes, sectionName, type Use } from "./facts.ts";
import { loaderText } from "./loader.ts";
import { typesText } from "./types.ts";

/** Options of `modelToWasm`. */
export interface StandaloneOptions {
  /** Sequences side by side; 1 by default. */
  readonly batch?: number;
  /** Name of the files without extension; "model" by default. The loader looks for NAME.wasm next to itself. */
  readonly name?: string;
}

/** A model that runs without cellgrad: the contents of three files. */
export interface StandaloneModel {
  /** NAME.wasm: code, weights, and metadata for the loader. */
  readonly wasm: Uint8Array<ArrayBuffer>;
  /** NAME.js: an ES module with a function `load`. */
  readonly loader: string;
  /** NAME.d.ts: its types. */
  readonly types: string;
}

/**
 * Compiles the step of a model. The module needs WebAssembly with SIMD, runs on one thread, and imports nothing.
 *
 * @throws UserError if the batch is not an integer above 0, or needs more memory than WebAssembly can address.
 */
export function modelToWasm(model: SavedModel, options: StandaloneOptions = {}): StandaloneModel {
  const { batch = 1, name: file = "model" } = checkedOptions("modelToWasm", options, {
    batch: "number",
    name: "string",
  });
  expectArgument(
    typeof model?.kind === "string" && "graph" in model,
    "modelToWasm: the model",
    model,
    "the result of savedModel or loadModel",
  );
  if (!Number.isInteger(batch) || batch < 1)
    throw new UserError(`modelToWasm: batch must be a whole number above 0, got ${batch}`);
  const { arena, parameters, tuned } = model;
  const graph = stepFor(model);
  const states = graph.inputs.map((id) => inputName(graph, id)).filter((input) => input.startsWith("state/"));
  const planned = planCpuProgram(graph, {
    donate: Object.fromEntries(states.map((state, i) => [state, i])),
    maxRows: batch,
    tuning: tuned?.tuning,
  });
  const sizes = { B: batch };
  const weights = Float32Array.from(packArrays(parameters, arena).data);
  const baked = bakeProgram(planned, { sizes, constants: { parameters: weights }, carried: states });
  const { carried, inputs, outputs, functions, data, memory } = baked;
  const { vocabulary, columns, normalisation, classes, targets = classes } = model;
  const use = useOf(model, batch);
  const shapeOf = (id: NodeId | undefined) => evaluateShape(nodeAt(graph, id ?? -1).aval.shape, sizes);
  const x = graph.inputs.map((id) => inputName(graph, id)).find(isRead) ?? "x";
  const inputShape = (name: string) => shapeOf(graph.inputs.find((id) => inputName(graph, id) === name));
  const shapes: Shapes = {
    x: inputShape(x),
    output: shapeOf(graph.outputs[states.length]),
    states: Object.fromEntries(states.map((state) => [state.slice("state/".length), inputShape(state)])),
  };
  const facts: Facts = {
    use: nameOfUse(use),
    ...{ x: numbersAt(inputs[x]), output: numbersAt(outputs[states.length]), state: numbersAt(carried) },
    ...(use.reads !== "rows" && { symbols: vocabulary?.length ?? 2 ** 31 }),
    about: {
      ...{ batch, shapes },
      ...(use.reads === "characters" && vocabulary && { vocabulary }),
      ...(columns && { columns }),
      ...(normalisation && { normalisation }),
      ...(targets && { targets }),
    },
  };
  const about = `${modelInWords(model)}.`;
  const custom = [{ name: sectionName, bytes: new TextEncoder().encode(JSON.stringify(facts)) }];
  return {
    wasm: encodeModule(withSharedConstants({ functions, data, custom }), memory),
    loader: loaderText(use, `${file}.wasm`, about),
    types: typesText(use, facts, about),
  };
}

function numbersAt({ address, bytes }: Place = { address: 0, bytes: 0 }): NumbersAt {
  return { address, length: bytes / Float32Array.BYTES_PER_ELEMENT };
}

function useOf(model: SavedModel, batch: number): Use {
  const tokens = tokensOf(model);
  const reads =
    tokens === undefined ? (readsNumbers(model) ? "rows" : "tokens") : tokens === "tokenizer" ? "tokens" : tokens;
  const text = reads === "tokens" ? "step" : "write";
  const tasks = { text, series: "forecast", regression: "find", classifier: "find", objective: "step" } as const;
  return { task: batch > 1 ? "step" : tasks[model.kind], reads };
}

/** The step of a model; must have one input and one output. */
function stepFor(model: SavedModel): Graph {
  const where = "modelToWasm";
  const source = stepSource(where, model);
  const { graph } = source;
  const avals = new Map(graph.inputs.map((id) => [inputName(graph, id), nodeAt(graph, id).aval]));
  const [read, given] = [[...avals.keys()].filter(isRead), outputNames(source)];
  if (read.length !== 1 || given.length !== 1)
    throw new UserError(
      `${where}: it reads ${read.join(", ") || "nothing"} and returns ${given.join(", ")}; a module has one input array and one output array: export the model as ONNX`,
    );
  const whole = [...avals].find(([name, { dtype }]) => name.startsWith("state/") && dtype !== "f32");
  if (whole !== undefined)
    throw new UserError(
      `${where}: a loop carries ${whole[1].dtype} from step to step, and states of a module are f32; export the model as ONNX`,
    );
  return graph;
}

const readsNumbers = ({ graph }: SavedModel): boolean =>
  graph.inputs.some((id) => isRead(inputName(graph, id)) && nodeAt(graph, id).aval.dtype === "f32");
