/** @file Numbers for the graphs of programs.ts, and how far results are from what they should be. */
import { evaluateShape } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, inputName, nodeAt } from "../../compiler/graph/graph.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";
import { difference } from "../train/devices.ts";

/** Numbers for a graph: whole ones are small, since many are the number of a row; those of ops have a logarithm. */
export function inputsOf(
  graph: Graph,
  isPositive: boolean,
  known: Readonly<Record<string, number>> = { B: 2, T: 3 },
): NdArray[] {
  const draw = generator(3);
  return graph.inputs.map((id) => {
    const { dtype, shape } = nodeAt(graph, id).aval;
    const floats = randomFloats(draw, evaluateShape(shape, known));
    const drawn = isPositive ? floats.data.map((x) => Math.abs(x) + 0.1) : floats.data;
    if (dtype === "bool")
      return ndarray(
        floats.shape,
        drawn.map((x) => Number(x > 0.5)),
        dtype,
      );
    return ndarray(floats.shape, dtype === "f32" ? drawn : drawn.map((x) => Math.floor(3 * Math.abs(x))), dtype);
  });
}

/** Inputs by name. */
export const named = (graph: Graph, inputs: readonly NdArray[]) =>
  Object.fromEntries(graph.inputs.map((id, i) => [inputName(graph, id), at(inputs, i)]));

/** How far results are from others, relative to the largest number of each. */
export const farthest = (results: readonly NdArray[], expected: readonly NdArray[]) =>
  Math.max(...results.map(({ data }, i) => difference(data, at(expected, i).data)));
