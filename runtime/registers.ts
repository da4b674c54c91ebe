/**
 * @file How many registers a GPU has for a workgroup, by its vendor. WebGPU reports neither registers nor whether a
 * kernel spills them, so the figures err low.
 */
import type { RegisterFile } from "../compiler/plan/lowering.ts";

/**
 * AMD: four SIMD units of 1,024 registers for 32 lanes share a workgroup (RDNA; "RDNA 2 Instruction Set Architecture",
 * AMD 2020, section 3.6), at most 256 to a lane, of which AMD's compiler spilled some where weights and the rest needed
 * all: 240 are counted on.
 * NVIDIA: 65,536 registers to a multiprocessor, at most 255 to a lane ("CUDA C++ Programming Guide", table of technical
 * specifications, compute capability 5.0 to 9.0).
 */
const byVendor: Readonly<Record<string, RegisterFile>> = {
  amd: { total: 4 * 1024 * 32, most: 240, reserved: 64 },
  nvidia: { total: 65_536, most: 255, reserved: 24 },
};

/** The registers behind an adapter; undefined for a vendor that is not known, so that the compiler counts on few. */
export function registersOf({ vendor = "" }: Partial<Pick<GPUAdapterInfo, "vendor">>): RegisterFile | undefined {
  return byVendor[vendor.toLowerCase()];
}
