/** @file A planned program as one that WebGPU runs: every kernel of the IR written as WGSL. */
import { bindingName, commentText, kernelText, uniformNames } from "../shaders/kernel.ts";
import { bytesOf } from "./kernel/storage.ts";
import type { Kernel, PlannedKernel, Program } from "./plan/program.ts";

export function rendered(program: Program<PlannedKernel>): Program {
  return { ...program, kernels: program.kernels.map(renderedKernel) };
}

function renderedKernel({ name, label, sites, code, work }: PlannedKernel): Kernel {
  const names = uniformNames(code);
  return {
    name,
    label,
    site: sites[0],
    workgroupSize: code.workgroupSize,
    bindings: code.buffers.map(({ array, access }) => ({ buffer: array.buffer, access })),
    uniforms: code.uniforms.map((value, i) => ({ name: names[i] ?? "", value })),
    loops: code.steps.counts.length,
    chunked: code.steps.end !== undefined,
    workgroupBytes: code.shared.reduce((sum, array) => sum + bytesOf(array), 0),
    work,
    about: commentText([
      `${name} computes ${label}`,
      ...sites.slice(0, 4).map((site) => `  from ${site}`),
      `  ${code.buffers.map(({ array }, i) => `${bindingName(i)} is ${array.name}`).join(", ")}`,
    ]),
    wgsl: kernelText(code),
  };
}
