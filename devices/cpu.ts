/**
 * @file The CPU device: WebAssembly SIMD, by default in one thread per core. `openDevice` imports it only when a CPU
 * device is opened.
 */
import { buildCpuProgram } from "../compiler/compile-cpu.ts";
import type { Graph } from "../compiler/graph/graph.ts";
import { uploadCpuArray } from "../runtime/cpu/arrays.ts";
import { CpuContext } from "../runtime/cpu/context.ts";
import { LoadedCpuProgram } from "../runtime/cpu/loaded-program.ts";
import { DeviceUnavailableError } from "../runtime/device-errors.ts";
import { compilesSimd, hasRelaxedMadd } from "../wasm/features.ts";
import {
  type CompileOptions,
  checkedCompile,
  checkUpload,
  type Device,
  executableOf,
  refuseEncode,
  refuseWrap,
} from "./device.ts";

/** `threads` is one per core by default; `timeout` is in seconds, as in `OpenDeviceOptions`. */
export interface CpuDeviceOptions {
  readonly threads?: number | undefined;
  readonly timeout?: number | undefined;
}

/**
 * Opens the CPU device.
 *
 * @throws DeviceUnavailableError if the engine has no WebAssembly SIMD, the page's policy forbids it, or memory is short.
 */
export async function openCpuDevice({ threads, timeout }: CpuDeviceOptions = {}): Promise<Device> {
  if (!(await compilesSimd()))
    throw new DeviceUnavailableError(
      'This engine has no WebAssembly SIMD, or the page\'s policy forbids it. Use a newer one, allow "wasm-unsafe-eval", or use device "interpreter".',
    );
  return deviceOnCpu(await CpuContext.open({ threads, timeout }));
}

/** The device of a context. */
export function deviceOnCpu(context: CpuContext): Device {
  const lower = (graph: Graph, given: CompileOptions = {}) => {
    return buildCpuProgram(graph, {
      ...checkedCompile(graph, given),
      memory: context.memory,
      isFused: hasRelaxedMadd(),
    });
  };
  return {
    kind: "cpu",
    name: context.name,
    lower,
    limits: { bytes: context.heap.limit, bufferBytes: context.heap.limit },
    compile: async (graph, compileOptions = {}) => {
      const loaded = await LoadedCpuProgram.load(context, lower(graph, compileOptions), compileOptions.readback);
      return executableOf(graph, {
        run: (inputs) => loaded.run(inputs),
        encode: refuseEncode(graph.name, "cpu"),
        profile: (inputs) => loaded.profile(inputs),
        destroy: () => loaded.destroy(),
      });
    },
    upload: (value) => {
      checkUpload(value);
      return uploadCpuArray(context, value);
    },
    wrap: refuseWrap("cpu"),
    memory: () => context.heap.allocated,
    // WebAssembly memory never shrinks, and free memory can be reused for any size.
    trim: () => {},
    lost: context.lost,
    destroy: () => context.destroy(),
  };
}
