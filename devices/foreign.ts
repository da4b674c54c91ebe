/** @file WebGPU devices of other owners, with their buffers. `openDevice` imports this only where it is given one. */
import { contextOnDeviceOf } from "../runtime/foreign-device.ts";
import { wrapBuffer } from "../runtime/wrapped-buffer.ts";
import type { Device } from "./device.ts";
import { deviceOn } from "./webgpu.ts";

/** Opens a device on the GPUDevice of another owner; `timeout` is in seconds, as in `OpenDeviceOptions`. */
export async function openDeviceOf(gpuDevice: unknown, timeout?: number): Promise<Device> {
  const context = await contextOnDeviceOf(gpuDevice, timeout);
  return { ...deviceOn(context), wrap: (buffer, options) => wrapBuffer(context, buffer, options) };
}
