/** @file Opens a device by choice: a GPU, a software adapter, the CPU, or the interpreter. */
import { UserError } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { DeviceUnavailableError } from "../runtime/device-errors.ts";
import { type Device, type DeviceChoice, mostThreads } from "./device.ts";
import { openInterpreter } from "./interpreter.ts";

/** Which device to open. */
export interface OpenDeviceOptions {
  /**
   * "auto" takes a GPU where there is one and the CPU otherwise; "cpu" is WebAssembly on the CPU; "software"
   * is WebGPU on the CPU, much slower; "interpreter" computes in float64, slower still.
   */
  readonly device?: DeviceChoice;
  /** Threads of device "cpu", from 1 to 1024; by default as many as the CPU has cores. A GPU that "auto" finds has none. */
  readonly threads?: number;
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
 * @throws UserError where the timeout is not a number above 0, or threads are no whole number from 1 to 1024 or are asked
 * of a device that has none.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const given = checkedOptions("openDevice", options, {
    device: { auto: 1, gpu: 1, cpu: 1, software: 1, interpreter: 1 },
    threads: "number",
    timeout: "number",
  });
  const { device = "auto", threads, timeout } = given;
  if (timeout !== undefined && !(timeout > 0))
    throw new UserError(`openDevice: timeout is ${timeout}; expected seconds, a number above 0`);
  if (threads !== undefined) checkThreads(device, threads);
  if (device === "interpreter") return openInterpreter();
  if (device === "cpu") return openCpu(threads, timeout);
  if (device !== "auto") return openWebgpu(device, timeout);
  try {
    return await openWebgpu("gpu", timeout);
  } catch (error) {
    if (!(error instanceof DeviceUnavailableError)) throw error;
    return openCpu(threads, timeout);
  }
}

async function openWebgpu(kind: "gpu" | "software", timeout: number | undefined): Promise<Device> {
  const { openWebgpuDevice } = await import("./webgpu.ts");
  return openWebgpuDevice(kind, timeout);
}

async function openCpu(threads: number | undefined, timeout: number | undefined): Promise<Device> {
  const { openCpuDevice } = await import("./cpu.ts");
  return openCpuDevice({ threads, timeout });
}

function checkThreads(device: DeviceChoice, threads: number): void {
  if (!Number.isInteger(threads) || threads < 1 || threads > mostThreads)
    throw new UserError(`openDevice: threads is ${threads}; expected a whole number from 1 to ${mostThreads}`);
  if (device !== "cpu" && device !== "auto")
    throw new UserError(`openDevice: threads are for device "cpu" or "auto", and "${device}" has none; leave them out`);
}
