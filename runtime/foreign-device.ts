/**
 * @file Devices of other owners: a page, or a library such as three.js or ONNX Runtime Web. What is known of their adapter,
 * and why a value cannot be computed with.
 */
import { inWords, messageOf, UserError } from "../compiler/graph/errors.ts";
import { GpuContext, reasonOf } from "./context.ts";
import { DeviceUnavailableError } from "./device-errors.ts";
import { withErrorScopes } from "./error-scopes.ts";
import { waitForSoftware } from "./host.ts";
import { type AdapterInfo, deviceHost, isSoftware } from "./hosts/adapter.ts";
import { Waiting } from "./waiting.ts";

/** What is called on a device, and what is read of it. */
const methods = ["createBuffer", "createBindGroup", "createCommandEncoder", "pushErrorScope", "popErrorScope"] as const;
const parts = ["limits", "features", "queue", "lost"] as const;

/** Limits below which there is no plan: those that every device of WebGPU's core has. */
const least = {
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 16_384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
} as const satisfies Partial<Record<keyof GPUSupportedLimits, number>>;

/**
 * The context of a device with another owner, who decides on its limits, its errors and its end. `timeout` is that of
 * `OpenDeviceOptions`.
 *
 * @throws UserError if the value is no GPUDevice, or has fewer than WebGPU's default limits.
 * @throws DeviceUnavailableError if the device is lost already.
 */
export async function contextOnDeviceOf(given: unknown, timeout?: number): Promise<GpuContext> {
  const device = checkedDevice(given);
  // Older hosts tell of adapters only; then the compiler counts on little.
  const info: AdapterInfo = device.adapterInfo ?? {};
  const wait = isSoftware(info) ? await waitForSoftware() : undefined;
  const host = deviceHost(info, wait, !("Deno" in globalThis));
  const loss = await new Waiting(host.name, timeout).for(lossOf(device), "take part in openDevice");
  if (loss !== undefined)
    throw new DeviceUnavailableError(
      `openDevice: gpuDevice is lost already: ${reasonOf(loss)}. Give one that is open.`,
    );
  return GpuContext.on(host, device, timeout);
}

function checkedDevice(given: unknown): GPUDevice {
  const fail = (what: string): never => {
    throw new UserError(
      `openDevice: gpuDevice is ${what}; expected a GPUDevice, such as await adapter.requestDevice()`,
    );
  };
  if (typeof given !== "object" || given === null || given instanceof Promise) return fail(inWords(given));
  if ("requestDevice" in given) return fail("a GPUAdapter");
  if ("compile" in given && "upload" in given) return fail("a device of cellgrad already");
  const device = given as GPUDevice;
  const missing =
    methods.find((name) => typeof device[name] !== "function") ??
    parts.find((name) => typeof device[name] !== "object");
  if (missing !== undefined) return fail(`an object without ${missing}`);
  for (const [name, value] of Object.entries(least)) {
    const has = device.limits[name as keyof typeof least];
    if (!(has >= value))
      throw new UserError(
        `openDevice: gpuDevice allows ${name} ${has}; expected at least ${value}, WebGPU's default: request it without a lower feature level`,
      );
  }
  return device;
}

/** Why a device is lost, if it is. It says so before it answers anything else. */
async function lossOf(device: GPUDevice): Promise<GPUDeviceLostInfo | undefined> {
  try {
    await withErrorScopes(device, () => {}).errors.catch(() => {});
  } catch (error) {
    throw new UserError(
      `openDevice: gpuDevice does not answer like a GPUDevice: ${messageOf(error)}; give the device itself, of this realm`,
    );
  }
  return Promise.race([device.lost, new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 0))]);
}
