/**
 * @file The entry point to WebGPU: the same two calls in browsers, Deno and Node. All host-specific code is in hosts/.
 */
import { DeviceUnavailableError } from "./device-errors.ts";
import { type AdapterChoice, type DeviceHost, type HostAdapter, ownDevice } from "./hosts/adapter.ts";
import { hasNavigatorGpu, navigatorAdapter } from "./hosts/navigator.ts";

export { DeviceLostError, DeviceUnavailableError } from "./device-errors.ts";
export type { AdapterChoice, DeviceHost, HostAdapter } from "./hosts/adapter.ts";

export interface HostDevice {
  readonly host: HostAdapter;
  readonly device: GPUDevice;
}

/**
 * Finds an adapter and opens its device; the same call works in browsers, Deno and Node.
 *
 * @throws DeviceUnavailableError if the host has no adapter of this kind; the message says what to do.
 */
export async function requestDevice(choice: AdapterChoice = "auto"): Promise<HostDevice> {
  const host = await requestAdapter(choice);
  return { host, device: await requestGpuDevice(host) };
}

/**
 * Finds an adapter.
 *
 * @throws DeviceUnavailableError if the host has no adapter of this kind; the message says what to do.
 */
export async function requestAdapter(choice: AdapterChoice = "auto"): Promise<HostAdapter> {
  // Imported only when needed, and left out of browser bundles (package.json, "browser"): they use Node's modules.
  if ("Deno" in globalThis) return (await import("./hosts/deno.ts")).denoAdapter(choice);
  if (!hasNavigatorGpu() && isNode()) return (await import("./hosts/node.ts")).nodeAdapter(choice);
  return navigatorAdapter(choice);
}

/** How this host waits for a software adapter, if it has a way of its own. */
export async function waitForSoftware(): Promise<DeviceHost["wait"] | undefined> {
  if ("Deno" in globalThis || hasNavigatorGpu() || !isNode()) return undefined;
  return (await import("./hosts/node.ts")).sleepingWait;
}

function isNode(): boolean {
  return typeof process !== "undefined" && process.versions?.node !== undefined;
}

/** Limits worth raising: they allow larger models, tiles and fused kernels. All others stay at WebGPU's defaults. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
] as const satisfies readonly (keyof GPUSupportedLimits)[];

const FEATURES = ["timestamp-query", "subgroups"] as const satisfies readonly GPUFeatureName[];

/**
 * Opens a device with the adapter's maximum for the limits above. WebGPU allows one device per requested adapter.
 *
 * @throws DeviceUnavailableError if the adapter provides no device, such as on a second call.
 */
export async function requestGpuDevice(host: HostAdapter): Promise<GPUDevice> {
  const { limits, features } = host.adapter;
  const requiredLimits: Record<string, number> = {};
  for (const name of LIMITS) {
    // Hosts older than a limit lack it.
    if (typeof limits[name] === "number") requiredLimits[name] = limits[name];
  }
  const requiredFeatures = FEATURES.filter((feature) => features.has(feature));
  const device = await host.adapter.requestDevice({ requiredLimits, requiredFeatures }).catch((cause: unknown) => {
    const [reason] = (cause instanceof Error ? cause.message : String(cause)).split("\n");
    throw new DeviceUnavailableError(
      `${host.name} provides no device (${reason}). Close other programs that use it, and try again.`,
      {
        cause,
      },
    );
  });
  ownDevice(host, device);
  return device;
}
