import { lstm } from "../../cells/lstm.ts";
import { rnn } from "../../cells/rnn.ts";
import type { Cell } from "../../compiler/dsl/cell.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type NdArray, ndarray, scalar } from "../../compiler/graph/ndarray.ts";
import { square } from "../../compiler/ops/composed.ts";
import { sub } from "../../compiler/ops/elementwise.ts";
import { sum } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Device } from "../../devices/device.ts";
import { arenaOf, packArrays } from "../../train/arena.ts";
import { initialize } from "../../train/initialize.ts";
import { languageModel, type Network, seriesModel } from "../../train/networks.ts";
import type { Optimizer } from "../../train/optimizers/optimizer.ts";
import { randomStream } from "../../train/random.ts";
import type { StepGraph } from "../../train/training-step.ts";
import { runOnce } from "./devices.ts";

export type Values = Record<string, NdArray>;

/** An optimizer whose parameters after the step are the gradient: that makes it visible. */
export const revealing: Optimizer = {
  name: "revealing",
  slots: [],
  update: ({ gradient }) => ({ parameter: gradient, slots: {} }),
};

/** An optimizer that changes nothing. */
export const frozen: Optimizer = { name: "frozen", slots: [], update: ({ parameter }) => ({ parameter, slots: {} }) };

export function numbers(shape: readonly number[], name: string, scale = 1): NdArray {
  const stream = randomStream(5, name);
  const size = shape.reduce((a, b) => a * b, 1);
  return ndarray(
    shape,
    Array.from({ length: size }, () => Math.fround(scale * stream.normal())),
  );
}

export function tokens(shape: readonly number[], vocabulary: number, name: string): NdArray {
  const stream = randomStream(6, name);
  const size = shape.reduce((a, b) => a * b, 1);
  return ndarray(
    shape,
    Array.from({ length: size }, () => Math.floor(stream.uniform() * vocabulary)),
    "i32",
  );
}

export function states(model: Network, batch: number, scale: number): Values {
  return Object.fromEntries(
    Object.entries(model.stateShapes).map(([name, shape]) => [
      `state/${name}`,
      numbers([batch, ...shape], name, scale),
    ]),
  );
}

export async function run(device: Device, step: StepGraph, inputs: Values): Promise<Values> {
  const outputs = await runOnce(device, step.graph, inputs);
  return Object.fromEntries(Object.entries(step.outputs).map(([name, index]) => [name, at(outputs, index)]));
}

export const startOf = (model: Network): NdArray => packArrays(initialize(model.specs, 1), arenaOf(model.specs));
export const control = { step: scalar(0), halted: scalar(0, "bool"), learningRate: scalar(0.5) };
export const dataOf = (values: Values, name: string): Float64Array => values[name]?.data ?? new Float64Array();

export const text = languageModel({ cell: lstm, units: 4, layers: 2, vocabulary: 5, embed: 3 });
export const series = seriesModel({ cell: rnn, units: 3, layers: 1, features: 2 });

/** A series network of given layers, by hand. */
export function partsOf(layers: readonly Cell[]) {
  return {
    kind: "series" as const,
    cell: "test",
    units: 2,
    layers,
    outputs: 2,
    encode: (x: Tensor) => x as Tensor<"f32">,
    x: { dtype: "f32" as const, shape: [2] },
    targets: { dtype: "f32" as const, shape: [2] },
    loss: (output: Tensor<"f32">, targets: Tensor) => sum(square(sub(output, targets as Tensor<"f32">))),
  };
}
