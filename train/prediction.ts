/**
 * @file Predictions of a trained objective: outputs computed from some inputs of a batch, without targets and random
 * numbers. A network predicts the output of its head; a custom objective defines its outputs with `predict`.
 */
import { model } from "../compiler/dsl/model.ts";
import type { ParameterSpec, ParameterTensors } from "../compiler/dsl/parameters.ts";
import { formatShape, sameShape } from "../compiler/graph/dim.ts";
import { at, inWords, UserError } from "../compiler/graph/errors.ts";
import { Fold } from "../compiler/graph/fold.ts";
import { type Aval, ancestorsOf, inputName, type NodeId } from "../compiler/graph/graph.ts";
import { copyRules } from "../compiler/ops/inline.ts";
import { traceGraph } from "../compiler/ops/trace.ts";
import { collectingIndices, expectIndex, type IndexRange } from "../compiler/trace/index-ranges.ts";
import { Tensor } from "../compiler/trace/tensor.ts";

type Float = Tensor<"f32">;

/** Tensors by name. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

/** The result of a prediction: a tensor, which is named `output`, or tensors by name. */
export type Predicted = Tensor | NamedTensors;

/** The outputs and states of a batch. */
export interface PredictionResult {
  /** Tensors by name, those of `Prediction.outputs`. */
  readonly outputs: NamedTensors;
  /** States after the last step. */
  readonly state: Readonly<Record<string, Float>>;
}

/** The prediction of a trained objective. */
export interface Prediction {
  /** Its inputs from a batch, by name: dtype and shape. B is the number of rows, T the number of time steps. */
  readonly inputs: Readonly<Record<string, Aval>>;
  /** Names of its outputs, in order. */
  readonly outputs: readonly string[];
  /** Computes outputs and next states from tensors of all inputs and states; used while tracing. */
  readonly run: (
    parameters: ParameterTensors,
    given: { readonly batch: NamedTensors; readonly state: Readonly<Record<string, Float>> },
  ) => PredictionResult;
}

/**
 * The prediction of an objective without states, with these parameters. `predict` is traced once: its inputs are those that
 * its outputs depend on.
 */
export function predictionOf(
  name: string,
  specs: readonly ParameterSpec[],
  batch: Readonly<Record<string, Aval>>,
  predict: (batch: NamedTensors) => Predicted,
): Prediction {
  const where = `objective "${name}": predict`;
  const predicted = model(name, (given: NamedTensors) => checkedOutputs(where, predict(given)));
  checkParameters(where, specs, predicted.specs(batch));
  const weights = specs.map(({ path, shape }) => ({ name: `parameters/${path}`, dtype: "f32", shape }) as const);
  const given = Object.entries(batch).map(([key, aval]) => ({ name: key, ...aval }));
  let [outputs, ranges]: [readonly string[], readonly IndexRange[]] = [[], []];
  const graph = traceGraph(name, [...weights, ...given], (tensors) => {
    const parameters = Object.fromEntries(specs.map(({ path }, i) => [path, at(tensors, i) as Float]));
    const held = Object.fromEntries(given.map(({ name: key }, i) => [key, at(tensors, specs.length + i)]));
    const collected = collectingIndices(() => predicted.apply(parameters, held));
    outputs = Object.keys(collected.result);
    ranges = collected.ranges;
    return Object.values(collected.result);
  });
  const needed = ancestorsOf(graph);
  const inputs = graph.inputs.slice(specs.length).filter((id) => needed.has(id));
  const isRead = (id: NodeId) => [...ancestorsOf(graph, [id])].every((each) => needed.has(each));
  const checked = ranges.filter(({ index, mask }) => isRead(index.id) && (mask === undefined || isRead(mask.id)));
  return {
    inputs: Object.fromEntries(inputs.map((id) => [inputName(graph, id), batch[inputName(graph, id)] as Aval])),
    outputs,
    run: (parameters, { batch: held }) => {
      const known = [
        ...specs.map(({ path }, i) => [at(graph.inputs, i), parameters[path] as Tensor] as const),
        ...inputs.map((id) => [id, held[inputName(graph, id)] as Tensor] as const),
      ];
      // Only the nodes that the outputs need are added: other inputs of a batch have no tensors here.
      const fold = new Fold<Tensor>(graph, copyRules(graph), known);
      for (const { index, mask, ...range } of checked)
        expectIndex({
          ...range,
          index: fold.value(index.id),
          ...(mask && { mask: fold.value(mask.id) as Tensor<"bool"> }),
        });
      const results = fold.outputs();
      return { outputs: Object.fromEntries(outputs.map((key, i) => [key, at(results, i)])), state: {} };
    },
  };
}

function checkedOutputs(where: string, predicted: Predicted): NamedTensors {
  if (predicted instanceof Tensor) return { output: predicted };
  if (predicted instanceof Promise)
    throw new UserError(`${where} returned a promise; tracing is synchronous: return a tensor, or tensors by name`);
  const isRecord = typeof predicted === "object" && predicted !== null && !Array.isArray(predicted);
  const outputs = isRecord ? Object.entries(predicted) : [];
  const other = outputs.find(([, tensor]) => !(tensor instanceof Tensor));
  if (other !== undefined)
    throw new UserError(`${where} returned ${inWords(other[1])} as ${other[0]}; expected a tensor`);
  if (outputs.length === 0)
    throw new UserError(
      `${where} returned ${isRecord ? "nothing" : inWords(predicted)}; return a tensor, or tensors by name`,
    );
  return predicted;
}

function checkParameters(where: string, trained: readonly ParameterSpec[], asked: readonly ParameterSpec[]): void {
  for (const { path, shape } of asked) {
    const known = trained.find((spec) => spec.path === path);
    if (known === undefined)
      throw new UserError(
        `${where} uses the parameter ${path}, which the loss does not train; it trains ${trained.map((spec) => spec.path).join(", ")}`,
      );
    if (!sameShape(known.shape, shape))
      throw new UserError(
        `${where} uses ${path} with shape ${formatShape(shape)}, the loss with ${formatShape(known.shape)}; rename one of them`,
      );
  }
}
