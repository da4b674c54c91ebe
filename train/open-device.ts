/** @file Opens a device by choice: a GPU, a software adapter, or the interpreter. */
import { compileProgram } from "../compiler/compile.ts";
import { UserError } from "../compiler/graph/errors.ts";
import type { Graph } from "../compiler/graph/graph.ts";
import { GpuContext } from "../runtime/context.ts";
import type { CompileOptions, Device, DeviceChoice } from "../runtime/device.ts";
import { LoadedProgram } from "../runtime/loaded-program.ts";
import { openInterpreter } from "./device.ts";

/** Which device to open. */
export interface OpenDeviceOptions {
  /** "auto" takes a GPU where there is one and a software adapter otherwise; "cpu" is the float64 interpreter. */
  readonly device?: DeviceChoice | "cpu";
  /**
   * Seconds for which the device may be silent while something is waited for; then what waits rejects with a
   * `DeviceTimeoutError`. Without it a device that hangs is waited for without end.
   */
  readonly timeout?: number;
}

/**
 * Opens a device, by the same call in browsers, Deno and Node.
 *
 * @throws DeviceUnavailableError where the host has none of the wanted kind; its message says what to do.
 * @throws UserError where the timeout is not a number above 0.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const { device = "auto", timeout } = options;
  if (timeout !== undefined && !(timeout > 0))
    throw new UserError(`openDevice: timeout is ${timeout}; expected seconds, a number above 0`);
  return device === "cpu" ? openInterpreter() : deviceOn(await GpuContext.open(device, timeout));
}

/** The device of a context. */
export function deviceOn(context: GpuContext): Device {
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
