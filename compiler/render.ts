/**
 * @file Renders a planned program for WebGPU: every kernel of the IR as WGSL, which is written when it is first asked for.
 * A program has kernels for sizes that many runs never have.
 */
import { kernelText } from "../shaders/kernel.ts";
import type { KernelCode } from "./kernel/ir.ts";
import { placedArrays } from "./kernel/shared-place.ts";
import { bytesOf } from "./kernel/storage.ts";
import { aboutKernel, givenTo } from "./plan/describe-kernel.ts";
import type { Kernel, PlannedKernel, Program } from "./plan/program.ts";

export function rendered(program: Program<PlannedKernel>): Program {
  return { ...program, kernels: program.kernels.map(renderedKernel) };
}

function renderedKernel(kernel: PlannedKernel): Kernel {
  const { name, code, work } = kernel;
  const placed = placedArrays(code);
  // Once there is the text, the IR is not kept.
  let kept: KernelCode | string = code;
  return {
    name,
    ...aboutKernel(kernel),
    ...givenTo(code),
    workgroupSize: code.workgroupSize,
    workgroupBytes: code.shared.reduce((sum, array) => sum + (placed.has(array) ? 0 : bytesOf(array)), 0),
    work,
    get wgsl() {
      if (typeof kept !== "string") kept = kernelText(kept);
      return kept;
    },
  };
}
