/** @file Many models at once in a test: an executor that runs three, and throws unless each has the bits that it has alone. */
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, inputName } from "../../compiler/graph/graph.ts";
import { modelOf, ofModels } from "../../compiler/graph/models.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { CompileOptions, Device } from "../../devices/device.ts";
import { deviceExecutor, type Executor } from "../../testing/executor.ts";

const models = 3;

/** The inputs of a model: the given ones, with its own numbers. Integers stay what they are: they can be indices. */
function inputsOf(inputs: readonly NdArray[], model: number): NdArray[] {
  return inputs.map((array) =>
    array.dtype === "f32" ? { ...array, data: array.data.map((x) => Math.fround(x * (1 - model / 8))) } : array,
  );
}

/** The first of a different bit among all numbers of two lists of arrays; undefined if there is none. */
export function firstDifference(a: readonly NdArray[], b: readonly NdArray[]): string | undefined {
  for (const [i, { data, shape }] of a.entries()) {
    const other = at(b, i);
    if (shape.join() !== other.shape.join()) return `output ${i} is [${shape}] and [${other.shape}]`;
    const place = data.findIndex((x, k) => !Object.is(x, other.data[k]));
    if (place >= 0) return `output ${i}, number ${place}: ${data[place]} and ${other.data[place]}`;
  }
  return undefined;
}

/** Runs a graph, for one model or a population. */
type Runs = (
  graph: Graph,
  inputs: readonly NdArray[],
  options: Pick<CompileOptions, "population">,
) => Promise<NdArray[]>;

/** The outputs are those of the given inputs alone. With `sharesOdd`, all models have every other input in common. */
export function populationExecutor(device: Device, options: CompileOptions = {}, sharesOdd = false): Executor {
  const runs: Runs = (graph, inputs, more) =>
    deviceExecutor(device.name, device, 1e-4, { ...options, ...more }).execute(graph, inputs);
  return executorOfModels(device.name, runs, sharesOdd);
}

/** The same for programs that are compiled with other choices than a device's own. */
export function executorOfModels(name: string, runs: Runs, sharesOdd = false): Executor {
  return {
    ...{ name: `${name}, three models at once`, tolerance: 1e-4 },
    execute: async (graph, inputs) => {
      const shared = sharesOdd ? graph.inputs.filter((_, i) => i % 2 === 1).map((id) => inputName(graph, id)) : [];
      const isShared = (i: number) => sharesOdd && i % 2 === 1;
      const ofModel = Array.from({ length: models }, (_, model) =>
        inputsOf(inputs, model).map((array, i) => (isShared(i) ? at(inputs, i) : array)),
      );
      const all = inputs.map((array, i) => (isShared(i) ? array : ofModels(ofModel.map((each) => at(each, i)))));
      const outputs = await runs(graph, all, { population: { models, shared } });
      for (const [model, each] of ofModel.entries()) {
        const found = firstDifference(
          outputs.map((output) => modelOf(output, model)),
          await runs(graph, each, {}),
        );
        if (found !== undefined) throw new Error(`${graph.name}, model ${model}: ${found} alone`);
      }
      return runs(graph, inputs, {});
    },
  };
}
