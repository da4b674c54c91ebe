/** @file One recurrent layer over a sequence, as programs: forward only, and with the gradients of weights and inputs. */

import { graphVjp } from "../../compiler/autodiff/reverse.ts";
import { compileProgram } from "../../compiler/compile.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import {
  type CellDefinition,
  model,
  type NamedAval,
  type ParameterSpec,
  scan,
  type Tensor,
  traceGraph,
  zerosLike,
} from "../../index.ts";
import type { GpuContext } from "../../runtime/context.ts";
import { LoadedProgram } from "../../runtime/loaded-program.ts";
import type { Line } from "./shapes.ts";

type Float = Tensor<"f32">;
export type Pass = Line["pass"];

export interface Layer {
  readonly specs: readonly ParameterSpec[];
  readonly graph: Graph;
  /** Name of each output: "outputs", "dx", or for a gradient, the path of its parameter. */
  readonly outputs: readonly string[];
}

/** x and the cotangent are f32 [T, B, units]. */
export function layerGraph(definition: CellDefinition, units: number, pass: Pass): Layer {
  const cell = definition(units);
  const layer = model("layer", (x: Float) => scan(cell, x).outputs);
  const sequence = { dtype: "f32", shape: ["T", "B", units] } as const;
  const specs = layer.specs(sequence);
  const weights = specs.map(({ path, shape }): NamedAval => ({ name: path, dtype: "f32", shape }));
  const backward = pass === "forward+backward";
  const inputs: readonly NamedAval[] = [
    ...weights,
    { name: "x", ...sequence },
    ...(backward ? [{ name: "cotangent", ...sequence }] : []),
  ];
  const forward = traceGraph("forward", inputs.slice(0, specs.length + 1), (tensors) => {
    const parameters = Object.fromEntries(specs.map(({ path }, i) => [path, at(tensors, i) as Float]));
    return [layer.apply(parameters, at(tensors, specs.length) as Float)];
  });
  const both = () =>
    traceGraph(pass, inputs, (tensors) => {
      const primals = tensors.slice(0, -1);
      const { outputs, pullback } = graphVjp(
        forward,
        primals,
        primals.map(() => true),
      );
      const cotangents = pullback([at(tensors, tensors.length - 1) as Float]);
      const gradients = primals.map((primal, i) => cotangents[i] ?? zerosLike(primal));
      return [...outputs, at(gradients, specs.length), ...gradients.slice(0, specs.length)];
    });
  const graph = backward ? both() : forward;
  const outputs = backward ? ["outputs", "dx", ...specs.map(({ path }) => path)] : ["outputs"];
  return { specs, graph, outputs };
}

export function loadLayer(context: GpuContext, { graph }: Layer): Promise<LoadedProgram> {
  return LoadedProgram.load(context, compileProgram(graph, context.compileLimits));
}
