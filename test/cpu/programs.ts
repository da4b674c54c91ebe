/**
 * @file Programs for the CPU in tests: from kernels of the IR, and with dispatches that threads share, however small.
 */
import { buildCpuProgram, cpuKernels } from "../../compiler/compile-cpu.ts";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, inputName } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { CpuProgram, PlannedKernel, Program } from "../../compiler/plan/program.ts";
import type { CompileOptions } from "../../devices/device.ts";
import { uploadCpuArray } from "../../runtime/cpu/arrays.ts";
import type { CpuContext } from "../../runtime/cpu/context.ts";
import { LoadedCpuProgram } from "../../runtime/cpu/loaded-program.ts";
import { encodeModule } from "../../wasm/encode.ts";
import { workOf } from "./hand-made.ts";

/** Renders a program of kernels of the IR for the memory of a context. */
export function renderedFor(context: CpuContext, planned: Program<PlannedKernel>): CpuProgram {
  const { kernels, functions } = cpuKernels(planned);
  return { ...planned, kernels, module: encodeModule({ functions }, context.memory) };
}

/** The same program with kernels that all count as large enough to share. */
export function sharedOut(program: CpuProgram): CpuProgram {
  return { ...program, kernels: program.kernels.map((kernel) => ({ ...kernel, work: workOf(1e9) })) };
}

/** Runs a graph with dispatches that all threads share, and returns its outputs; donated arrays are uploaded. */
export async function runShared(
  context: CpuContext,
  graph: Graph,
  inputs: readonly NdArray[],
  options: CompileOptions = {},
): Promise<NdArray[]> {
  const program = sharedOut(buildCpuProgram(graph, { ...options, memory: context.memory }));
  const loaded = await LoadedCpuProgram.load(context, program);
  const given = graph.inputs.map((id, i) => {
    const [name, value] = [inputName(graph, id), at(inputs, i)];
    return [name, options.donate?.[name] === undefined ? value : uploadCpuArray(context, value)] as const;
  });
  const outputs = loaded.run(Object.fromEntries(given));
  const values = await Promise.all(outputs.map((output) => output.read()));
  for (const output of outputs) output.destroy();
  loaded.destroy();
  return values;
}

/** Results as bits of f32, which distinguish NaNs and zeros. */
export function bitsOf(results: readonly NdArray[]): number[][] {
  return results.map(({ data }) => [...new Uint32Array(Float32Array.from(data).buffer)]);
}
