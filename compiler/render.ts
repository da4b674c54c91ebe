/** @file A planned program as one that WebGPU runs: every kernel of the IR written as WGSL. */
import { bindingName, commentText, kernelText, uniformNames } from "../shaders/kernel.ts";
import type { KernelCode } from "./kernel/ir.ts";
import { bytesOf } from "./kernel/storage.ts";
import type { Kernel, PlannedKernel, Program } from "./plan/program.ts";

export function rendered(program: Program<PlannedKernel>): Program {
  return { ...program, kernels: program.kernels.map(renderedKernel) };
}

function renderedKernel(kernel: PlannedKernel): Kernel {
  const { name, code, work } = kernel;
  return {
    name,
    ...aboutKernel(kernel),
    ...givenTo(code),
    workgroupSize: code.workgroupSize,
    workgroupBytes: code.shared.reduce((sum, array) => sum + bytesOf(array), 0),
    work,
    wgsl: kernelText(code),
  };
}

/** What a kernel says of itself to people. */
export function aboutKernel({ name, label, sites, code }: PlannedKernel): Pick<Kernel, "label" | "site" | "about"> {
  const about = commentText([
    `${name} computes ${label}`,
    ...sites.slice(0, 4).map((site) => `  from ${site}`),
    `  ${code.buffers.map(({ array }, i) => `${bindingName(i)} is ${array.name}`).join(", ")}`,
  ]);
  return { label, site: sites[0], about };
}

/** What a kernel must be given when it runs. */
export function givenTo(code: KernelCode): Pick<Kernel, "bindings" | "uniforms" | "loops" | "chunked"> {
  const names = uniformNames(code);
  return {
    bindings: code.buffers.map(({ array, access }) => ({ buffer: array.buffer, access })),
    uniforms: code.uniforms.map((value, i) => ({ name: names[i] ?? "", value })),
    loops: code.steps.counts.length,
    chunked: code.steps.end !== undefined,
  };
}
