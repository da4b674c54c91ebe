/**
 * @file The processor behind the common `Device` interface: WebAssembly with vectors, in as many threads as there are cores.
 * Only `openDevice` fetches it, when such a device is opened.
 */
import { checkGraph, type Graph } from "../compiler/graph/graph.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import type { CpuProgram } from "../compiler/plan/program.ts";
import { uploadCpuArray } from "../runtime/cpu/arrays.ts";
import type { CpuContext, ModuleMemory } from "../runtime/cpu/context.ts";
import { LoadedCpuProgram } from "../runtime/cpu/loaded-program.ts";
import { type CompileOptions, checkInputs, checkUpload, type Device, ofCompile } from "./device.ts";

/** Compiles a graph to a program whose module imports such a memory. */
export type BuildCpuProgram = (graph: Graph, options: CompileOptions & { readonly memory: ModuleMemory }) => CpuProgram;

/** The device of a context. */
export function deviceOnCpu(context: CpuContext, build: BuildCpuProgram): Device {
  const lower = (graph: Graph, given: CompileOptions = {}) => {
    checkGraph("compile", graph);
    return build(graph, { ...checkedOptions("compile", given, ofCompile), memory: context.memory });
  };
  return {
    kind: "cpu",
    name: context.name,
    lower,
    compile: async (graph, compileOptions = {}) => {
      const loaded = await LoadedCpuProgram.load(context, lower(graph, compileOptions), compileOptions.readback);
      return {
        graph,
        run: (inputs) => {
          checkInputs(graph.name, inputs);
          return loaded.run(inputs);
        },
        profile: (inputs) => loaded.profile(inputs),
        destroy: () => loaded.destroy(),
      };
    },
    upload: (value) => {
      checkUpload(value);
      return uploadCpuArray(context, value);
    },
    memory: () => context.heap.allocated,
    // The memory of WebAssembly never shrinks, and whatever is free of it serves whatever comes.
    trim: () => {},
    lost: context.lost,
    destroy: () => context.destroy(),
  };
}
