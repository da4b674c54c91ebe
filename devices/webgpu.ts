/**
 * @file The WebGPU device: compiler back end, shaders and runtime. `openDevice` imports it only when such a device is
 * opened, so a page that only traces, checks or interprets never loads it, and the package's public types do not mention
 * WebGPU's.
 */
import { buildProgram } from "../compiler/compile.ts";
import { checkGraph, type Graph } from "../compiler/graph/graph.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { uploadArray } from "../runtime/arrays.ts";
import { GpuContext } from "../runtime/context.ts";
import type { AdapterChoice } from "../runtime/host.ts";
import { LoadedProgram } from "../runtime/loaded-program.ts";
import { type CompileOptions, checkUpload, type Device, executableOf, ofCompile } from "./device.ts";

/** Opens a device on an adapter of this kind; `timeout` is in seconds, as in `OpenDeviceOptions`. */
export async function openWebgpuDevice(choice: AdapterChoice, timeout?: number): Promise<Device> {
  return deviceOn(await GpuContext.open(choice, timeout));
}

/** The device of a context. */
export function deviceOn(context: GpuContext): Device {
  const lower = (graph: Graph, given: CompileOptions = {}) => {
    checkGraph("compile", graph);
    return buildProgram(graph, { ...checkedOptions("compile", given, ofCompile), ...context.compileLimits });
  };
  return {
    kind: context.host.kind,
    name: context.host.name,
    lower,
    limits: { bytes: Number.POSITIVE_INFINITY, bufferBytes: context.pool.most },
    compile: async (graph, compileOptions = {}) => {
      const program = lower(graph, compileOptions);
      const loaded = await LoadedProgram.load(context, program, compileOptions.readback);
      return executableOf(graph, loaded);
    },
    upload: (value) => {
      checkUpload(value);
      return uploadArray(context, value);
    },
    memory: () => context.pool.allocated,
    trim: () => context.pool.destroyFree(),
    lost: context.lost,
    destroy: () => context.destroy(),
  };
}
