/** @file Opens the device that `--device` names. What WebGPU takes is loaded only where it serves. */
import { type Device, openInterpreter } from "../train/device.ts";
import type { DeviceName } from "./options.ts";

/** Seconds after which a silent device is given up: far more than a step or the kernels of one take. */
const PATIENCE = 600;

export async function openNamedDevice(name: DeviceName): Promise<Device> {
  if (name === "cpu") return openInterpreter();
  const { openDevice } = await import("../train/open-device.ts");
  return openDevice({ device: name, timeout: PATIENCE });
}

/** Runs `task` on the device and releases it afterwards, so that the process can end. */
export async function withDevice<T>(name: DeviceName, task: (device: Device) => Promise<T>): Promise<T> {
  const device = await openNamedDevice(name);
  try {
    return await task(device);
  } finally {
    device.destroy();
  }
}
