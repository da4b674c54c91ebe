/** @file The descriptive fields of a planned kernel, the same for every target language. */
import type { KernelCode } from "../kernel/ir.ts";
import { bindingName, commentText, uniformNames } from "../kernel/names.ts";
import type { Kernel, PlannedKernel } from "./program.ts";

/** Fields for human readers: what the kernel computes and where it comes from. */
export function aboutKernel({ name, label, sites, code }: PlannedKernel): Pick<Kernel, "label" | "site" | "about"> {
  const about = commentText([
    `${name} computes ${label}`,
    ...sites.slice(0, 4).map((site) => `  from ${site}`),
    `  ${code.buffers.map(({ array }, i) => `${bindingName(i)} is ${array.name}`).join(", ")}`,
  ]);
  return { label, site: sites[0], about };
}

/** What the runtime must bind to a kernel when it runs. */
export function givenTo(code: KernelCode): Pick<Kernel, "bindings" | "uniforms" | "loops" | "chunked"> {
  const names = uniformNames(code);
  return {
    bindings: code.buffers.map(({ array, access }) => ({ buffer: array.buffer, access })),
    uniforms: code.uniforms.map((value, i) => ({ name: names[i] ?? "", value })),
    loops: code.steps.counts.length,
    chunked: code.steps.end !== undefined,
  };
}
