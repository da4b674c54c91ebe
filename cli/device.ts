/** @file Opens the device that `--device` names. WebGPU's code is loaded only when it is needed. */

import type { Device } from "../devices/device.ts";
import { openInterpreter } from "../devices/interpreter.ts";
import type { DeviceName } from "./options.ts";
import { line, type Streams } from "./streams.ts";

/** The device options of a command. */
export interface DeviceOptions {
  readonly device: DeviceName;
  /** Threads of the CPU device. */
  readonly threads?: number;
  /** Seconds to wait for an answer of the device before it counts as lost. */
  readonly timeout: number;
}

const CPU_IS_NEW =
  "cellgrad: --device cpu is WebAssembly in float32 now; the float64 interpreter of that name is --device interpreter";

/** For one release: "cpu" used to name the interpreter. */
export function noteCpuRename(device: DeviceName, { stderr }: Streams): void {
  if (device === "cpu") line(stderr, CPU_IS_NEW);
}

export async function openNamedDevice({ device, threads, timeout }: DeviceOptions): Promise<Device> {
  if (device === "interpreter") return openInterpreter();
  const { openDevice } = await import("../devices/open-device.ts");
  return openDevice({ device, ...(threads !== undefined && { threads }), timeout });
}

/** Runs `body` on the device, then releases the device so that the process can exit. */
export async function withDevice<T>(
  options: DeviceOptions,
  streams: Streams,
  body: (device: Device) => Promise<T>,
): Promise<T> {
  noteCpuRename(options.device, streams);
  const device = await openNamedDevice(options);
  try {
    return await body(device);
  } finally {
    device.destroy();
  }
}
