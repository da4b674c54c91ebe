/** @file Shared by the graphs of training and inference: named inputs (parameters, states, batch) and outputs. */
import { type DimSizes, substituteSizes } from "../compiler/graph/dim.ts";
import { at } from "../compiler/graph/errors.ts";
import type { Graph } from "../compiler/graph/graph.ts";
import type { NamedAval } from "../compiler/ops/trace.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import type { Arena } from "./arena.ts";
import type { IndexChecks } from "./index-checks.ts";
import type { Objective } from "./objective.ts";
import type { NamedTensors } from "./prediction.ts";

type Float = Tensor<"f32">;

/** A graph with named inputs and outputs, and the donation of its input buffers. */
export interface StepGraph {
  /** The graph itself. */
  readonly graph: Graph;
  /** The layout of its parameters. */
  readonly arena: Arena;
  /** Inputs whose memory an output reuses: input name -> index of the output. */
  readonly donate: Readonly<Record<string, number>>;
  /** Position of each output, by name. */
  readonly outputs: Readonly<Record<string, number>>;
}

/** A step of a batch, with the checks of its indices. */
export interface BatchStepGraph extends StepGraph {
  /** For `checkIndices`. */
  readonly indices: IndexChecks;
}

/** Inputs of the states: `state/…`, f32 [B, …]. */
export function stateInputs(shapes: Objective["stateShapes"]): NamedAval[] {
  return Object.entries(shapes).map(([name, shape]) => ({
    name: `state/${name}`,
    dtype: "f32",
    shape: ["B", ...shape],
  }));
}

/** The tensors of the states, by name without `state/`. */
export function stateOf(shapes: Objective["stateShapes"], given: NamedTensors): Readonly<Record<string, Float>> {
  return Object.fromEntries(Object.keys(shapes).map((name) => [name, given[`state/${name}`] as Float]));
}

/** The inputs of a batch, of sequences of any length or of a given one. */
export function batchInputs({ batch }: Objective, length?: number | undefined): NamedAval[] {
  const sizes: DimSizes = length === undefined ? {} : { T: length };
  return Object.entries(batch).map(([name, { dtype, shape }]) => {
    return { name, dtype, shape: shape.map((dim) => substituteSizes(dim, sizes)) };
  });
}

/** The tensors of a batch, by name. */
export function batchOf({ batch }: Objective, given: NamedTensors): NamedTensors {
  return Object.fromEntries(Object.keys(batch).map((name) => [name, given[name] as Tensor]));
}

/** Tensors by the names of their inputs. */
export function byName(inputs: readonly NamedAval[], tensors: readonly Tensor[]): Record<string, Tensor> {
  return Object.fromEntries(inputs.map(({ name }, i) => [name, at(tensors, i)]));
}

/** The position of each name. */
export function positions(names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name, i) => [name, i]));
}
