/** @file Types of WebGPU in public interfaces, for programs that have no types of WebGPU. */

/**
 * WebGPU's type of this name where it is a global of the program, by its DOM library or `@webgpu/types`; otherwise any object.
 * Deno's are classes, which are none of a global's properties to the type checker: there, write `array.buffer as GPUBuffer`.
 */
export type GpuGlobal<Name extends "GPUBuffer" | "GPUCommandEncoder" | "GPUDevice"> = typeof globalThis extends {
  readonly [K in Name]: { readonly prototype: infer Found };
}
  ? Found
  : object;
