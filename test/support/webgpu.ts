/** @file WebGPU for the tests that are about it, whatever `openDevice` would choose. */
import type { Device } from "../../devices/device.ts";
import { openWebgpuDevice } from "../../devices/webgpu.ts";

/** A graphics card where there is one, and a software adapter otherwise. */
export function openWebgpu(): Promise<Device> {
  return openWebgpuDevice("auto");
}
