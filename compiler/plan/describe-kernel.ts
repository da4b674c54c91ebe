/** @file What a planned kernel says of itself, whatever it is written in. */
import type { KernelCode } from "../kernel/ir.ts";
import { bindingName, commentText, uniformNames } from "../kernel/names.ts";
import type { Kernel, PlannedKernel } from "./program.ts";

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
