/**
 * @file The WebGPU device: compiler back end, shaders and runtime. `openDevice` imports it only when such a device is
 * opened, so a page that only traces, checks or interprets never loads it, and the package's public types do not mention
 * WebGPU's.
 */
import { buildProgram } from "../compiler/compile.ts";
import { uploadArray } from "../runtime/arrays.ts";
import { GpuContext } from "../runtime/context.ts";
import type { AdapterChoice } from "../runtime/host.ts";
import { LoadedProgram } from "../runtime/loaded-program.ts";
import { checkedCompile, checkUpload, type Device, executableOf, refuseWrap } from "./device.ts";
import { uploadPages } from "./paged-array.ts";
import { type Loader, loadPaged, lowerPaged } from "./paged-program.ts";

/** Opens a device on an adapter of this kind; `timeout` is in seconds, as in `OpenDeviceOptions`. */
export async function openWebgpuDevice(choice: AdapterChoice, timeout?: number): Promise<Device> {
  return deviceOn(await GpuContext.open(choice, timeout));
}

/** The device of a context, whose buffers have at most `bufferBytes`. */
export function deviceOn(context: GpuContext, bufferBytes: number = context.pool.most): Device {
  const loader: Loader = {
    lower: (graph, options) => buildProgram(graph, { ...options, ...context.compileLimits }),
    load: (program, readback) => LoadedProgram.load(context, program, readback),
    loadLater: (program, readback) => LoadedProgram.of(context, program, readback),
    bufferBytes,
  };
  return {
    kind: context.host.kind,
    name: context.host.name,
    lower: (graph, options = {}) => lowerPaged(graph, checkedCompile(graph, options), loader),
    limits: { bytes: Number.POSITIVE_INFINITY, bufferBytes },
    compile: async (graph, options = {}) =>
      executableOf(graph, await loadPaged(graph, checkedCompile(graph, options), loader)),
    upload: (value, parts) => {
      checkUpload(value);
      return uploadPages(value, parts, bufferBytes, (page) => uploadArray(context, page));
    },
    wrap: refuseWrap(context.host.kind),
    memory: () => context.pool.allocated,
    trim: () => context.pool.destroyFree(),
    lost: context.lost,
    destroy: () => context.destroy(),
  };
}
