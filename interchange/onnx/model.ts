/**
 * @file A trained model as ONNX, with its weights and what it takes to use it. Its streaming step is the graph; over a
 * whole sequence, that step runs in a loop, and the compiler's passes take out of it what waits for no state.
 *
 *   sequence   x [T, B, …], state/… [B, …] -> output [T, B, …], next/… [B, …]          with T = 1 it is a step
 *   step       x [B, …],    state/… [B, …] -> output [B, …],    next/… [B, …]          for runtimes without Scan
 */

import { at, expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { type Graph, inputName, nodeAt } from "../../compiler/graph/graph.ts";
import { zeros } from "../../compiler/graph/ndarray.ts";
import { inlineGraph } from "../../compiler/ops/inline.ts";
import { findNonFinite, nonFiniteLine } from "../../compiler/ops/non-finite.ts";
import { scanTensors } from "../../compiler/ops/scan.ts";
import { type NamedAval, traceGraph } from "../../compiler/ops/trace.ts";
import { passes } from "../../compiler/plan-program.ts";
import { withoutCallSites } from "../../compiler/trace/site.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { type Arena, packArrays } from "../../train/arena.ts";
import type { SavedModel } from "../../train/files/model-file.ts";
import { modelMetadata, tokensOf } from "../model-metadata.ts";
import { encodeOnnx } from "./encode.ts";

/** Over whole sequences, or step by step. */
export type OnnxForm = "sequence" | "step";

/**
 * The bytes of an .onnx file of a model, over whole sequences unless `form` says otherwise.
 *
 * @throws UserError where the model gives a number that is not finite, to zeros even.
 */
export function modelToOnnx(model: SavedModel, form: OnnxForm = "sequence"): Uint8Array {
  expectArgument(
    typeof model?.kind === "string" && "graph" in model,
    "modelToOnnx: the model",
    model,
    "what savedModel or loadModel gives",
  );
  expectArgument(form === "sequence" || form === "step", "modelToOnnx: the form", form, '"sequence" or "step"');
  checkOutputs(model);
  const graph = form === "step" ? model.graph : optimized(sequenceOf(model.graph));
  const states = graph.inputs.map((id) => inputName(graph, id)).filter((name) => name.startsWith("state/"));
  return encodeOnnx(graph, {
    outputs: [...states.map((name) => name.replace("state/", "next/")), "output"],
    constants: { parameters: packArrays(model.parameters, model.arena) },
    nameOfPart: nameIn(model.arena),
    about: about(model, form),
    metadata: { ...modelMetadata(model), form },
  });
}

/** Another runtime would pass on what is not finite without a word. */
function checkOutputs({ graph, arena, parameters }: SavedModel): void {
  const inputs = graph.inputs.map((id) => {
    const { dtype, shape } = nodeAt(graph, id).aval;
    return [
      inputName(graph, id),
      zeros(
        shape.map((dim) => (dim === "B" ? 1 : Number(dim))),
        dtype,
      ),
    ] as const;
  });
  const found = findNonFinite(graph, { ...Object.fromEntries(inputs), parameters: packArrays(parameters, arena) });
  if (found !== undefined) throw new UserError(`the model is of no use to others: ${nonFiniteLine(found)}`);
}

type Named = Readonly<Record<string, Tensor>>;

/** (parameters, state/…, x [T, B, …]) -> (state/…, output [T, B, …]) of the step (parameters, state/…, x) -> (state/…, output). */
function sequenceOf(step: Graph): Graph {
  const inputs = step.inputs.map((id): NamedAval => {
    const [name, { dtype, shape }] = [inputName(step, id), nodeAt(step, id).aval];
    return { name, dtype, shape: name === "x" ? ["T", ...shape] : shape };
  });
  const states = inputs.map(({ name }) => name).filter((name) => name.startsWith("state/"));
  return traceGraph("sequence", inputs, (tensors) => {
    const named: Named = Object.fromEntries(inputs.map(({ name }, i) => [name, at(tensors, i)]));
    const every = (names: readonly string[]) => names.flatMap((name) => named[name] ?? []);
    const { carries, ys } = scanTensors(
      (before, xs) => {
        const now: Named = {
          ...named,
          ...Object.fromEntries(states.map((name, i) => [name, at(before, i)])),
          x: at(xs, 0),
        };
        const results = inlineGraph(
          step,
          inputs.map(({ name }) => now[name] ?? at(xs, 0)),
        );
        return { carries: results.slice(0, -1), ys: results.slice(-1) };
      },
      every(states),
      every(["x"]),
      { name: "sequence" },
    );
    return [...carries, ...ys];
  });
}

function optimized(graph: Graph): Graph {
  return withoutCallSites(() => passes.reduce((current, pass) => pass.run(current), graph));
}

/** Parts of the parameters are called by their paths. */
function nameIn({ entries }: Arena): (whole: string, start: number, size: number) => string | undefined {
  const paths = new Map(entries.map(({ path, offset, size }) => [`${offset}:${size}`, path]));
  return (whole, start, size) => (whole === "parameters" ? paths.get(`${start}:${size}`) : undefined);
}

function about(model: SavedModel, form: OnnxForm): string {
  const { kind, cell, units, layers } = model;
  const stack = `${layers} ${layers === 1 ? "layer" : "layers"} of ${units} units (${cell})`;
  const steps = form === "sequence" ? "time steps first, [T, B, …]" : "one time step, [B, …]";
  return `${kind} model of cellgrad: ${stack}. x: ${readOf(model)}, ${steps}. next/… is the state to give as state/… from there on.`;
}

/** What the numbers of x are. */
function readOf(model: SavedModel): string {
  const tokens = tokensOf(model);
  if (tokens === undefined) return "rows of numbers";
  return {
    characters: "numbers of symbols in metadata vocabulary",
    bytes: "bytes of text in UTF-8",
    tokenizer: "tokens of the tokenizer.json in metadata tokenizer",
  }[tokens];
}
