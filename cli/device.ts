/** @file Opens the device that `--device` names. What WebGPU takes is loaded only where it serves. */
import { type Device, openInterpreter } from "../train/device.ts";
import type { DeviceName } from "./options.ts";

export async function openNamedDevice(name: DeviceName): Promise<Device> {
  if (name === "cpu") return openInterpreter();
  const { openDevice } = await import("../train/open-device.ts");
  return openDevice({ device: name });
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
