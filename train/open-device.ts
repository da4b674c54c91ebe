/** @file Opens a device by choice: a GPU, a software adapter, or the interpreter. */
import { compileProgram } from "../compiler/compile.ts";
import type { Graph } from "../compiler/graph/graph.ts";
import { GpuContext } from "../runtime/context.ts";
import type { CompileOptions, Device, DeviceChoice } from "../runtime/device.ts";
import { LoadedProgram } from "../runtime/loaded-program.ts";
import { openInterpreter } from "./device.ts";

/** Which device to open. */
export interface OpenDeviceOptions {
  /** "auto" takes a GPU where there is one and a software adapter otherwise; "cpu" is the float64 interpreter. */
  readonly device?: DeviceChoice | "cpu";
}

/**
 * Opens a device, by the same call in browsers, Deno and Node.
 *
 * @throws DeviceUnavailableError where the host has none of the wanted kind; its message says what to do.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const choice = options.device ?? "auto";
  if (choice === "cpu") return openInterpreter();
  const context = await GpuContext.open(choice);
  const lower = (graph: Graph, given: CompileOptions = {}) =>
    compileProgram(graph, { ...given, ...context.compileLimits });
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
