/**
 * @file Runs a function with parameters on numbers, on any executor: what it gives, and the gradient of its loss with
 * respect to parameters and inputs. Parameters get random numbers by their paths, so equal paths have equal numbers.
 */
import { graphVjp } from "../../compiler/autodiff/reverse.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { constant, model, type ParameterTensors, type Shape, type Tensor, traceGraph, zerosLike } from "../../index.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";
import { type Executor, interpreter } from "./executors.ts";

type Float = Tensor<"f32">;
export type Tensors = Readonly<Record<string, Tensor>>;
export type Arrays = Readonly<Record<string, NdArray>>;

/** The loss is what is differentiated; everything is given back. */
export type Measured = (inputs: Tensors) => Readonly<Record<string, Tensor>> & { readonly loss: Float };

export interface Run {
  readonly outputs: Arrays;
  /** By the path of the parameter, or the name of the f32 input. */
  readonly gradients: Arrays;
}

export interface RunOptions {
  readonly executor?: Executor;
  /** Shapes of inputs in which some axes are symbols; those of the numbers by default. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /** Renames the path under which a parameter gets its numbers. */
  readonly alias?: (path: string) => string;
}

/** Numbers for a parameter of this path. */
export function parameterNumbers(path: string, shape: readonly number[]): NdArray {
  const seed = [...path].reduce((code, letter) => (Math.imul(code, 31) + letter.charCodeAt(0)) | 0, 7);
  return randomFloats(generator(seed), shape);
}

/** Runs `f` and its gradient. */
export async function runModel(f: Measured, inputs: Arrays, options: RunOptions = {}): Promise<Run> {
  const { executor = interpreter, shapes = {}, alias = (path: string) => path } = options;
  const avals = Object.entries(inputs).map(([name, { dtype, shape }]) => ({
    name,
    dtype,
    shape: shapes[name] ?? shape,
  }));
  const wrapped = model("measured", f);
  const specs = wrapped.specs(Object.fromEntries(avals.map(({ name, dtype, shape }) => [name, { dtype, shape }])));
  const parameters = specs.map(({ path, shape }) => ({ name: path, dtype: "f32" as const, shape }));
  const all = [...parameters, ...avals];
  let results: readonly string[] = [];
  const forward = traceGraph("measured", all, (tensors) => {
    const given = Object.fromEntries(all.map(({ name }, i) => [name, at(tensors, i)]));
    const { loss, ...rest } = wrapped.apply(given as ParameterTensors, given);
    results = ["loss", ...Object.keys(rest)];
    return [loss, ...Object.values(rest)];
  });
  const floats = all.map(({ dtype }) => dtype === "f32");
  const graph = traceGraph("measured", all, (tensors) => {
    const { outputs, pullback } = graphVjp(forward, tensors, floats);
    const cotangents = pullback([constant(1)]);
    const gradients = tensors.flatMap((tensor, i) =>
      floats[i] ? [cotangents[i] ?? zerosLike(tensor as Tensor<"f32">)] : [],
    );
    return [...outputs, ...gradients];
  });
  const numbers = [...specs.map(({ path, shape }) => parameterNumbers(alias(path), shape)), ...Object.values(inputs)];
  const values = await executor.execute(verify(graph), numbers);
  const differentiated = all.filter((_, i) => floats[i]).map(({ name }) => name);
  return {
    outputs: Object.fromEntries(results.map((name, i) => [name, at(values, i)])),
    gradients: Object.fromEntries(differentiated.map((name, i) => [name, at(values, results.length + i)])),
  };
}
