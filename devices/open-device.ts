/** @file Opens a device by choice: a GPU, a software adapter, the CPU, or the interpreter. */
import { UserError } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { DeviceUnavailableError } from "../runtime/device-errors.ts";
import type { GpuGlobal } from "../runtime/gpu-types.ts";
import { type Device, type DeviceChoice, mostThreads } from "./device.ts";
import { openInterpreter } from "./interpreter.ts";

/** Which device to open. */
export interface OpenDeviceOptions {
  /**
   * "auto" uses a GPU if there is one, otherwise the CPU; "cpu" is WebAssembly; "software" is WebGPU on the CPU, much
   * slower; "interpreter" computes in float64 and is slower still.
   */
  readonly device?: DeviceChoice;
  /** Threads of device "cpu", from 1 to 1024; by default one per core. Has no effect if "auto" finds a GPU. */
  readonly threads?: number;
  /**
   * Seconds to wait for an answer of the device; then pending calls reject with a `DeviceTimeoutError`. By default there is
   * no limit.
   */
  readonly timeout?: number;
  /**
   * A GPUDevice of WebGPU that the page or another library owns, to share its buffers: it takes the place of `device` and
   * `threads`. Its limits, its errors and its end stay theirs; `destroy` of the opened device frees only what was allocated
   * for it.
   */
  readonly gpuDevice?: GpuGlobal<"GPUDevice">;
}

/**
 * Opens a device; the same call works in browsers, Deno and Node.
 *
 * @throws DeviceUnavailableError if the host has no device of this kind, or `gpuDevice` is lost; the message says what to do.
 * @throws UserError if `timeout` is not above 0, `threads` is not an integer from 1 to 1024, the device has no threads, or
 *   `gpuDevice` is no GPUDevice.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  checkForObject(options);
  const given = checkedOptions("openDevice", options, {
    device: { auto: 1, gpu: 1, cpu: 1, software: 1, interpreter: 1 },
    threads: "number",
    timeout: "number",
    // Any value but undefined is looked at where WebGPU is.
    gpuDevice: "any",
  });
  const { device = "auto", threads, timeout, gpuDevice } = given;
  if (timeout !== undefined && !(timeout > 0))
    throw new UserError(`openDevice: timeout is ${timeout}; expected seconds, a number above 0`);
  if (gpuDevice !== undefined) {
    const other = given.device === undefined ? (threads === undefined ? undefined : "threads") : "device";
    if (other !== undefined)
      throw new UserError(
        `openDevice: gpuDevice is a device already, so ${other} has no effect; leave one of them out`,
      );
    return openForeign(gpuDevice, timeout);
  }
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

async function openForeign(gpuDevice: unknown, timeout: number | undefined): Promise<Device> {
  const { openDeviceOf } = await import("./foreign.ts");
  return openDeviceOf(gpuDevice, timeout);
}

async function openCpu(threads: number | undefined, timeout: number | undefined): Promise<Device> {
  const { openCpuDevice } = await import("./cpu.ts");
  return openCpuDevice({ threads, timeout });
}

/** `device` is a name: an object in its place is likely a GPUDevice. */
function checkForObject(options: OpenDeviceOptions): void {
  const given: unknown = options?.device;
  if (typeof given === "object" && given !== null)
    throw new UserError(
      'openDevice: device is an object; expected "auto" or "gpu" or "cpu" or "software" or "interpreter", and a GPUDevice of your own as gpuDevice',
    );
}

function checkThreads(device: DeviceChoice, threads: number): void {
  if (!Number.isInteger(threads) || threads < 1 || threads > mostThreads)
    throw new UserError(`openDevice: threads is ${threads}; expected a whole number from 1 to ${mostThreads}`);
  if (device !== "cpu" && device !== "auto")
    throw new UserError(
      `openDevice: threads are for device "cpu" or "auto", and "${device}" has no threads; leave them out`,
    );
}
