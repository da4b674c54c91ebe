/**
 * @file Renders a planned program for WebGPU: every kernel of the IR as WGSL, which is written when it is first asked for.
 * A program has kernels for sizes that many runs never have.
 */
import { kernelText } from "../shaders/kernel.ts";
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
  let text: string | undefined;
  return {
    name,
    ...aboutKernel(kernel),
    ...givenTo(code),
    workgroupSize: code.workgroupSize,
    workgroupBytes: code.shared.reduce((sum, array) => sum + (placed.has(array) ? 0 : bytesOf(array)), 0),
    work,
    get wgsl() {
      text ??= kernelText(code);
      return text;
    },
  };
}
