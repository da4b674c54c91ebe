/**
 * @file A WebGPU device as everybody else sees devices. Apart from `openDevice`, so that the package's public types name
 * nothing of WebGPU's.
 */
import { buildProgram } from "../compiler/compile.ts";
import type { Graph } from "../compiler/graph/graph.ts";
import type { GpuContext } from "../runtime/context.ts";
import type { CompileOptions, Device } from "../runtime/device.ts";
import { LoadedProgram } from "../runtime/loaded-program.ts";

/** The device of a context. */
export function deviceOn(context: GpuContext): Device {
  const lower = (graph: Graph, given: CompileOptions = {}) =>
    buildProgram(graph, { ...given, ...context.compileLimits });
  return {
    kind: context.host.kind,
    name: context.host.name,
    lower,
    compile: async (graph, compileOptions = {}) => {
      const program = lower(graph, compileOptions);
      const loaded = await LoadedProgram.load(context, program, compileOptions.readback);
      return {
        graph,
        run: (inputs) => loaded.run(inputs),
        profile: (inputs) => loaded.profile(inputs),
        destroy: () => loaded.destroy(),
      };
    },
    upload: (value) => context.upload(value),
    memory: () => context.pool.allocated,
    trim: () => context.pool.destroyFree(),
    lost: context.lost,
    destroy: () => context.destroy(),
  };
}
