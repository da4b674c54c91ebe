/**
 * @file Compiles a graph to a program for WebGPU: the passes and lowering that all targets share, and WGSL for each
 * kernel.
 */
import type { Graph } from "./graph/graph.ts";
import { verifyKernel } from "./kernel/verify.ts";
import type { Program } from "./plan/program.ts";
import { defaultLimits, verifyProgram } from "./plan/verify-program.ts";
import { type CompileProgramOptions, planProgram } from "./plan-program.ts";
import { rendered } from "./render.ts";

/** Compiles a graph to a program for WebGPU, as plain data. */
export function buildProgram(graph: Graph, options: CompileProgramOptions = {}): Program {
  return rendered(planProgram(graph, options));
}

/**
 * Builds a program, and checks its kernels and WebGPU's rules; for tests and inspection, since a device checks by
 * itself.
 */
export function compileProgram(graph: Graph, options: CompileProgramOptions = {}): Program {
  const planned = planProgram(graph, options);
  for (const { name, code } of planned.kernels) verifyKernel(name, code);
  return verifyProgram(rendered(planned), {
    ...defaultLimits,
    storageBuffers: options.maxStorageBuffers ?? defaultLimits.storageBuffers,
    workgroupBytes: options.maxWorkgroupBytes ?? defaultLimits.workgroupBytes,
    workgroupSize: options.maxInvocations ?? defaultLimits.workgroupSize,
  });
}
