/** @file Faulty devices: with only WebGPU's default limits, without free memory, or not answering. */

import type { Device } from "../../devices/device.ts";
import { deviceOn } from "../../devices/webgpu.ts";
import { GpuContext } from "../../runtime/context.ts";
import { type HostAdapter, requestAdapter } from "../../runtime/host.ts";

/** SwiftShader allows a buffer of 1 GiB but has no memory for one. */
const tooLarge = 2 ** 30;

export interface FaultyDevice {
  readonly device: Device;
  readonly context: GpuContext;
}

/** A device with WebGPU's default limits: 8 storage buffers, 16 KiB of workgroup memory. */
export async function withDefaultLimits(): Promise<FaultyDevice> {
  const host = await requestAdapter();
  return onContext(new GpuContext(host, await host.adapter.requestDevice()));
}

/** A software device that has no memory for buffers above some size, until `restore` is called. */
export async function shortOfMemory(largest: number): Promise<FaultyDevice & { readonly restore: () => void }> {
  const host = await requestAdapter("software");
  const real = await deviceOf(host);
  let most = largest;
  const device = replaced(real, {
    createBuffer: (wanted: GPUBufferDescriptor) =>
      real.createBuffer(wanted.size > most ? { ...wanted, size: tooLarge } : wanted),
  });
  const restore = () => {
    most = Number.POSITIVE_INFINITY;
  };
  return { ...onContext(new GpuContext(host, device)), restore };
}

/** A device that does not answer while `hang` is set. */
export async function silent(): Promise<FaultyDevice & { hang: (hangs: boolean) => void }> {
  const host = await requestAdapter();
  let hangs = false;
  const wait = <T>(work: Promise<T>): Promise<T> => {
    if (!hangs) return host.wait(work);
    work.catch(() => {}); // What nobody hears may fail.
    return new Promise(() => {});
  };
  const hang = (from: boolean) => {
    hangs = from;
  };
  return { ...onContext(new GpuContext({ ...host, wait }, await deviceOf(host))), hang };
}

function onContext(context: GpuContext): FaultyDevice {
  return { context, device: deviceOn(context) };
}

function deviceOf({ adapter }: HostAdapter): Promise<GPUDevice> {
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  return adapter.requestDevice({ requiredLimits: { maxBufferSize, maxStorageBufferBindingSize } });
}

/** The same object with some of its methods replaced. Methods of hosts must be called on the object itself. */
function replaced<T extends object>(object: T, methods: Readonly<Record<string, unknown>>): T {
  return new Proxy(object, {
    get: (target, key) => {
      if (typeof key === "string" && key in methods) return methods[key];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
