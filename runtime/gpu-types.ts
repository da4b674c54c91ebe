/** @file Types of WebGPU in public interfaces, for programs that have no types of WebGPU. */

/**
 * WebGPU's type of this name where the program has one, from its DOM library or from `@webgpu/types`; otherwise any object.
 */
export type GpuGlobal<Name extends "GPUBuffer" | "GPUCommandEncoder" | "GPUDevice"> = typeof globalThis extends {
  readonly [K in Name]: { readonly prototype: infer Found };
}
  ? Found
  : object;
