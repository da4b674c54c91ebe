/**
 * @file The frame around a kernel's body: uniforms, bindings, helper functions and the entry point. Binding 0 holds the
 * sizes, binding 1 the step of the loop around the kernel, storage buffers follow from 2.
 */
import { helpersFor } from "./math.ts";
import { wgsl } from "./wgsl.ts";

export interface KernelParts {
  /** Comment lines at the top, for people. */
  readonly about: readonly string[];
  readonly workgroupSize: number;
  readonly uniformNames: readonly string[];
  /** Loops around the kernel whose step it reads. */
  readonly loops: number;
  /** Whether it runs a chunk of the innermost of them. */
  readonly chunked: boolean;
  readonly storage: readonly {
    readonly name: string;
    readonly element: string;
    readonly access: "read" | "read_write";
  }[];
  /** Workgroup variables. */
  readonly declarations: readonly string[];
  readonly functions: readonly string[];
  readonly body: readonly string[];
}

export const bindingOf = { sizes: 0, step: 1, storage: 2 } as const;

/** The first binding of storage buffer `i` is `bindingOf.storage + i`. */
export function kernelText(parts: KernelParts): string {
  const body = parts.body.map((line) => `  ${line}`).join("\n");
  const storage = parts.storage.map(
    ({ name, element, access }, i) =>
      wgsl`@group(0) @binding(${bindingOf.storage + i}) var<storage, ${access}> ${name}: array<${element}>;`,
  );
  const functions = parts.functions.join("\n\n");
  const helpers = helpersFor(functions + body);
  const usesSubgroups = /\bsubgroup[A-Z]/.test(functions + body);
  const sections = [
    usesSubgroups ? "enable subgroups;" : "",
    parts.about.map((line) => `// ${line}`).join("\n"),
    uniformSection(parts),
    storage.join("\n"),
    parts.declarations.join("\n"),
    helpers,
    functions,
    wgsl`
      @compute @workgroup_size(${parts.workgroupSize})
      fn main(
        @builtin(workgroup_id) workgroup_id: vec3<u32>,
        @builtin(num_workgroups) workgroups: vec3<u32>,
        @builtin(local_invocation_index) lane: u32,
      ) {
        let group = workgroup_id.x + workgroup_id.y * workgroups.x;
    `,
    `${body}\n}`,
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function uniformSection({ uniformNames, loops, chunked }: KernelParts): string {
  const fields = uniformNames.map((name) => `  ${name}: u32,`).join("\n");
  const sizes =
    uniformNames.length === 0 ? "" : `struct Sizes {\n${fields}\n}\n@group(0) @binding(0) var<uniform> sizes: Sizes;`;
  const counts = Array.from({ length: loops }, (_, nesting) => `  count${nesting}: u32,`);
  const range = [...counts, ...(chunked ? ["  end: u32,"] : [])].join("\n");
  const step = loops === 0 ? "" : `struct Step {\n${range}\n}\n@group(0) @binding(1) var<uniform> step: Step;`;
  return [sizes, step].filter((text) => text !== "").join("\n");
}
