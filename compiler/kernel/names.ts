/** @file Names of the parts of a kernel, the same for every target language. */
import type { KernelCode } from "./ir.ts";

/** The names of a kernel's uniform fields, in order. */
export function uniformNames({ uniforms }: Pick<KernelCode, "uniforms">): string[] {
  return uniforms.map((_, i) => `at${i}`);
}

/** The name of a kernel's storage binding: its position, so that kernels of equal layers have equal text. */
export function bindingName(place: number): string {
  return `buffer${place}`;
}

/** Comment lines to print above a kernel. Names come from users, so line breaks in them are replaced. */
export function commentText(lines: readonly string[]): string {
  return lines.map((line) => `// ${line.replace(/[^\x20-\x7e]/g, "?").slice(0, 200)}\n`).join("");
}
