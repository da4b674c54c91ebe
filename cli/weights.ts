/** @file Describes imported weights in one line. */
import { isBidirectional, type NetworkWeights } from "../interchange/network-weights.ts";

export function describeWeights(weights: NetworkWeights): string {
  const { cell, units, features, layers, embedding, head } = weights;
  const stack = `${cell}, ${layers.length} ${layers.length === 1 ? "layer" : "layers"} of ${units} units`;
  return [
    `${stack}${isBidirectional(weights) ? " in each direction" : ""}, ${features} input features`,
    ...(embedding === undefined ? [] : [`an embedding of ${embedding.shape[0]} symbols`]),
    ...(head === undefined ? [] : [`a head of ${head.bias.data.length} outputs`]),
  ].join(", ");
}
