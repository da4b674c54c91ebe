/** @file ONNX Runtime as one more thing that runs a graph: its WebAssembly build, in this process. */
import { env, InferenceSession, type Tensor as OrtTensor, Tensor } from "onnxruntime-web";
import { at } from "../../compiler/graph/errors.ts";
import { type DType, type Graph, inputName } from "../../compiler/graph/graph.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import { encodeOnnx } from "../../interchange/onnx/encode.ts";
import type { Executor } from "./executors.ts";

// One thread, so that no worker outlives a test; warnings tell of optimizations that another runtime would do.
env.wasm.numThreads = 1;
env.logLevel = "error";

export interface OnnxModel {
  /** Outputs by name, of inputs by name. */
  readonly run: (inputs: Readonly<Record<string, NdArray>>) => Promise<Record<string, NdArray>>;
  readonly inputs: readonly string[];
  /** Of each input; a text is a size that is free. */
  readonly shapes: Readonly<Record<string, readonly (number | string)[]>>;
  readonly outputs: readonly string[];
  readonly release: () => Promise<void>;
}

export async function loadOnnx(bytes: Uint8Array): Promise<OnnxModel> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 3 });
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    shapes: Object.fromEntries(session.inputMetadata.map((meta) => [meta.name, meta.isTensor ? meta.shape : []])),
    release: () => session.release(),
    run: async (inputs) => {
      const feeds = Object.entries(inputs).map(([name, array]) => [name, ortTensor(array)] as const);
      const results = await session.run(Object.fromEntries(feeds));
      return Object.fromEntries(session.outputNames.map((name) => [name, fromOrt(results[name] as OrtTensor)]));
    },
  };
}

function ortTensor({ dtype, shape, data }: NdArray): Tensor {
  switch (dtype) {
    case "f32":
      return new Tensor("float32", Float32Array.from(data), shape);
    case "i32":
      return new Tensor("int32", Int32Array.from(data), shape);
    case "u32":
      return new Tensor("uint32", Uint32Array.from(data), shape);
    case "bool":
      return new Tensor("bool", Uint8Array.from(data), shape);
  }
}

const dtypes: Readonly<Record<string, DType>> = { float32: "f32", int32: "i32", uint32: "u32", bool: "bool" };

function fromOrt({ type, dims, data }: OrtTensor): NdArray {
  return ndarray(dims, data as Float32Array, dtypes[type] ?? "f32");
}

/** Exports the graph, runs it once and gives its outputs. */
export const onnxRuntime: Executor = {
  name: "ONNX Runtime",
  tolerance: 1e-4,
  execute: async (graph: Graph, inputs) => {
    const names = graph.outputs.map((_, i) => `result${i}`);
    const model = await loadOnnx(encodeOnnx(graph, { outputs: names }));
    const given = Object.fromEntries(graph.inputs.map((id, i) => [inputName(graph, id), at(inputs, i)]));
    const results = await model.run(given);
    await model.release();
    return names.map((name) => results[name] as NdArray);
  },
};
