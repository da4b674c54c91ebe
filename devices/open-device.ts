/** @file Opens a device by choice: a GPU, a software adapter, or the interpreter. */
import { UserError } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import type { Device, DeviceChoice } from "./device.ts";
import { openInterpreter } from "./interpreter.ts";

/** Which device to open. */
export interface OpenDeviceOptions {
  /** "auto" takes a GPU where there is one and a software adapter otherwise; "cpu" is the float64 interpreter. */
  readonly device?: DeviceChoice | "cpu";
  /**
   * Seconds for which the device may be silent while something is waited for; then what waits rejects with a
   * `DeviceTimeoutError`. Without it a device that hangs is waited for without end.
   */
  readonly timeout?: number;
}

/**
 * Opens a device, by the same call in browsers, Deno and Node.
 *
 * @throws DeviceUnavailableError where the host has none of the wanted kind; its message says what to do.
 * @throws UserError where the timeout is not a number above 0.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const { device = "auto", timeout } = checkedOptions("openDevice", options, {
    device: { auto: 1, gpu: 1, software: 1, cpu: 1 },
    timeout: "number",
  });
  if (timeout !== undefined && !(timeout > 0))
    throw new UserError(`openDevice: timeout is ${timeout}; expected seconds, a number above 0`);
  if (device === "cpu") return openInterpreter();
  const { openWebgpuDevice } = await import("./webgpu.ts");
  return openWebgpuDevice(device, timeout);
}
