/** @file What people and programs call the parts of a kernel, whatever it is written in. */
import type { KernelCode } from "./ir.ts";

/** The names of a kernel's uniform fields, in order. */
export function uniformNames({ uniforms }: Pick<KernelCode, "uniforms">): string[] {
  return uniforms.map((_, i) => `at${i}`);
}

/** The name of a kernel's storage binding: that of its place, so that kernels of equal layers are equal texts. */
export function bindingName(place: number): string {
  return `buffer${place}`;
}

/** Lines for people to stand above a kernel, as comments. Names come from users: they must not end the line. */
export function commentText(lines: readonly string[]): string {
  return lines.map((line) => `// ${line.replace(/[^\x20-\x7e]/g, "?").slice(0, 200)}\n`).join("");
}
