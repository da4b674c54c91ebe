/** @file Opens the device that `--device` names. What WebGPU takes is loaded only where it serves. */

import type { Device } from "../devices/device.ts";
import { openInterpreter } from "../devices/interpreter.ts";
import type { DeviceName } from "./options.ts";
import { line, type Streams } from "./streams.ts";

/** What a command is told of its device. */
export interface DeviceOptions {
  readonly device: DeviceName;
  /** Threads of device cpu. */
  readonly threads?: number;
  /** Seconds after which a silent device is given up. */
  readonly timeout: number;
}

const CPU_IS_NEW =
  "cellgrad: --device cpu is WebAssembly in float32 now; the float64 interpreter of that name is --device interpreter";

/** For one release: "cpu" was the name of the interpreter. */
export function tellOfCpu(device: DeviceName, { stderr }: Streams): void {
  if (device === "cpu") line(stderr, CPU_IS_NEW);
}

export async function openNamedDevice({ device, threads, timeout }: DeviceOptions): Promise<Device> {
  if (device === "interpreter") return openInterpreter();
  const { openDevice } = await import("../devices/open-device.ts");
  return openDevice({ device, ...(threads !== undefined && { threads }), timeout });
}

/** Runs `body` on the device and releases it afterwards, so that the process can end. */
export async function withDevice<T>(
  options: DeviceOptions,
  streams: Streams,
  body: (device: Device) => Promise<T>,
): Promise<T> {
  tellOfCpu(options.device, streams);
  const device = await openNamedDevice(options);
  try {
    return await body(device);
  } finally {
    device.destroy();
  }
}
