/**
 * @file Compiles a graph to a program for CPUs: the same passes and lowering, and one WebAssembly module for all
 * kernels.
 */
import { withSharedConstants } from "../wasm/constants.ts";
import { encodeModule } from "../wasm/encode.ts";
import type { MemoryLimits, WasmFunction } from "../wasm/instruction.ts";
import { ModuleWriter } from "../wasm/kernel.ts";
import type { Graph } from "./graph/graph.ts";
import { aboutKernel, givenTo } from "./plan/describe-kernel.ts";
import { vectorForms } from "./plan/emit/vector-forms.ts";
import type { CpuKernel, CpuProgram, PlannedKernel, Program } from "./plan/program.ts";
import { vectorLanes } from "./plan/stages/tiles.ts";
import { type CompileProgramOptions, planProgram } from "./plan-program.ts";

export type CpuPlanOptions = Omit<CompileProgramOptions, "target" | "forms" | "mapping">;

export interface CompileCpuOptions extends CpuPlanOptions {
  /** Limits of the module's memory. */
  readonly memory: MemoryLimits;
  /** Whether to use fused multiply-add; false by default, so that all engines return the same bits. */
  readonly isFused?: boolean;
}

/** Bytes of a thread's own memory that the rows of a scan may use: they should stay in the cache. */
const scratchBytes = 2 ** 18;

/**
 * Plans a program for CPUs, with kernels in the kernel IR: a workgroup is a vector of lanes, and the number of buffers
 * is not limited.
 */
export function planCpuProgram(graph: Graph, options: CpuPlanOptions = {}): Program<PlannedKernel> {
  return planProgram(graph, {
    maxWorkgroupBytes: scratchBytes,
    ...options,
    target: "cpu",
    forms: vectorForms,
    mapping: { lanes: vectorLanes, run: 1 },
    maxStorageBuffers: Number.POSITIVE_INFINITY,
  });
}

export function buildCpuProgram(graph: Graph, { memory, isFused = false, ...options }: CompileCpuOptions): CpuProgram {
  const planned = planCpuProgram(graph, options);
  const { kernels, functions } = cpuKernels(planned, isFused);
  return { ...planned, kernels, module: encodeModule(withSharedConstants({ functions }), memory) };
}

/** The kernels of a program, and the functions of its module. */
export function cpuKernels(
  planned: Program<PlannedKernel>,
  isFused = false,
): {
  readonly kernels: readonly CpuKernel[];
  readonly functions: readonly WasmFunction[];
} {
  const writer = new ModuleWriter({ isFused });
  const kernels = planned.kernels.map((kernel): CpuKernel => {
    const { name, code, work } = kernel;
    return { name, work, ...aboutKernel(kernel), ...givenTo(code), ...writer.addKernel(name, code) };
  });
  return { kernels, functions: writer.functions };
}
