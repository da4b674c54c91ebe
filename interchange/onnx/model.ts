/**
 * @file Exports a trained model as ONNX, with its weights and metadata. The graph is its streaming step; over a whole
 * sequence, that step runs in a loop, and the compiler's passes hoist computations that do not depend on the state.
 *
 *   sequence   x [T, B, …], state/… [B, …] -> output [T, B, …], next/… [B, …]          one step if T = 1
 *   step       x [B, …],    state/… [B, …] -> output [B, …],    next/… [B, …]          for runtimes without Scan
 */

import { expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { type Graph, inputName, nodeAt } from "../../compiler/graph/graph.ts";
import { zeros } from "../../compiler/graph/ndarray.ts";
import { findNonFinite, nonFiniteLine } from "../../compiler/ops/non-finite.ts";
import { passes } from "../../compiler/plan-program.ts";
import { withoutCallSites } from "../../compiler/trace/site.ts";
import { type Arena, packArrays } from "../../train/arena.ts";
import type { SavedModel } from "../../train/files/model-file.ts";
import { sequenceOfStep } from "../../train/forms/sequence-of-step.ts";
import { outputNames, stepSource } from "../../train/model-source.ts";
import { modelInWords, modelMetadata, tokensOf } from "../model-metadata.ts";
import { encodeOnnx } from "./encode.ts";

/** Whether the model runs over whole sequences or step by step. */
export type OnnxForm = "sequence" | "step";

/**
 * Returns the bytes of an .onnx file of a model, over whole sequences by default.
 *
 * @throws UserError if the outputs of the model are not finite for zeros as input.
 */
export function modelToOnnx(model: SavedModel, form: OnnxForm = "sequence"): Uint8Array {
  expectArgument(
    typeof model?.kind === "string" && "graph" in model,
    "modelToOnnx: the model",
    model,
    "the result of savedModel or loadModel",
  );
  expectArgument(form === "sequence" || form === "step", "modelToOnnx: the form", form, '"sequence" or "step"');
  const source = form === "step" ? stepSource("modelToOnnx", model) : model;
  if (model.kind !== "objective") checkOutputs(model);
  const isStep = source.form !== "sequence";
  const graph = form === "step" ? source.graph : optimized(isStep ? sequenceOfStep(source.graph) : source.graph);
  const states = graph.inputs.map((id) => inputName(graph, id)).filter((name) => name.startsWith("state/"));
  return encodeOnnx(graph, {
    outputs: [...states.map((name) => name.replace("state/", "next/")), ...outputNames(source)],
    constants: { parameters: packArrays(model.parameters, model.arena) },
    nameOfPart: nameIn(model.arena),
    about: about(model, form),
    metadata: { ...modelMetadata(model), form },
  });
}

/** Checks for outputs that are not finite, which other runtimes would not report. */
function checkOutputs({ graph, arena, parameters }: SavedModel): void {
  const inputs = graph.inputs.map((id) => {
    const { dtype, shape } = nodeAt(graph, id).aval;
    const sizes = shape.map((dim) => (dim === "B" ? 1 : Number(dim)));
    return [inputName(graph, id), zeros(sizes, dtype)] as const;
  });
  const found = findNonFinite(graph, { ...Object.fromEntries(inputs), parameters: packArrays(parameters, arena) });
  if (found !== undefined)
    throw new UserError(`the model is not exported, because its outputs are not finite: ${nonFiniteLine(found)}`);
}

function optimized(graph: Graph): Graph {
  return withoutCallSites(() => passes.reduce((current, pass) => pass.run(current), graph));
}

/** Names the slices of the parameters by their paths. */
function nameIn({ entries }: Arena): (whole: string, start: number, size: number) => string | undefined {
  const paths = new Map(entries.map(({ path, offset, size }) => [`${offset}:${size}`, path]));
  return (whole, start, size) => (whole === "parameters" ? paths.get(`${start}:${size}`) : undefined);
}

function about(model: SavedModel, form: OnnxForm): string {
  const steps = form === "sequence" ? "time steps first, [T, B, …]" : "one time step, [B, …]";
  const what = `${model.kind === "objective" ? "" : `${model.kind} model, `}${modelInWords(model)}`;
  const read = model.kind === "objective" ? "Inputs are those of its predict" : `x: ${readOf(model)}`;
  return `Written by cellgrad: ${what}. ${read}, ${steps}. next/… is the state to give as state/… from there on.`;
}

/** Describes the values of x. */
function readOf(model: SavedModel): string {
  const tokens = tokensOf(model);
  if (tokens === undefined) return "rows of numbers";
  return {
    characters: "numbers of symbols in metadata vocabulary",
    bytes: "bytes of text in UTF-8",
    tokenizer: "tokens of the tokenizer.json in metadata tokenizer",
  }[tokens];
}
