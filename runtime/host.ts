/**
 * @file The one door to WebGPU: the same two calls in browsers, Deno and Node. All code that knows which host it is in
 * lies in hosts/.
 */
import { DeviceUnavailableError } from "./device-errors.ts";
import { type AdapterChoice, type HostAdapter, ownDevice } from "./hosts/adapter.ts";
import { hasNavigatorGpu, navigatorAdapter } from "./hosts/navigator.ts";

export { DeviceLostError, DeviceUnavailableError } from "./device-errors.ts";
export type { AdapterChoice, HostAdapter } from "./hosts/adapter.ts";

export interface HostDevice {
  readonly host: HostAdapter;
  readonly device: GPUDevice;
}

/**
 * Finds an adapter and opens its device: one call in browsers, Deno and Node.
 *
 * @throws DeviceUnavailableError where the host has none of the wanted kind; its message says what to do.
 */
export async function requestDevice(choice: AdapterChoice = "auto"): Promise<HostDevice> {
  const host = await requestAdapter(choice);
  return { host, device: await requestGpuDevice(host) };
}

/**
 * Finds an adapter.
 *
 * @throws DeviceUnavailableError where the host has none of the wanted kind; its message says what to do.
 */
export async function requestAdapter(choice: AdapterChoice = "auto"): Promise<HostAdapter> {
  // Imported only where they serve, and left out of browser bundles (package.json, "browser"): they use Node's modules.
  if ("Deno" in globalThis) return (await import("./hosts/deno.ts")).denoAdapter(choice);
  if (!hasNavigatorGpu() && isNode()) return (await import("./hosts/node.ts")).nodeAdapter(choice);
  return navigatorAdapter(choice);
}

function isNode(): boolean {
  return typeof process !== "undefined" && process.versions?.node !== undefined;
}

/** Limits of which more helps: larger models, tiles and fused kernels. All others stay at WebGPU's defaults. */
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
 * A device with the adapter's own limits where more is useful. WebGPU gives one device for each adapter requested.
 *
 * @throws DeviceUnavailableError where the adapter gives none, such as a second time.
 */
export async function requestGpuDevice(host: HostAdapter): Promise<GPUDevice> {
  const { limits, features } = host.adapter;
  const requiredLimits: Record<string, number> = {};
  for (const name of LIMITS) {
    // Hosts older than a limit do not have it.
    if (typeof limits[name] === "number") requiredLimits[name] = limits[name];
  }
  const requiredFeatures = FEATURES.filter((feature) => features.has(feature));
  const device = await host.adapter.requestDevice({ requiredLimits, requiredFeatures }).catch((cause: unknown) => {
    const [reason] = (cause instanceof Error ? cause.message : String(cause)).split("\n");
    throw new DeviceUnavailableError(
      `${host.name} gives no device (${reason}). Close what else uses it, and try again.`,
      {
        cause,
      },
    );
  });
  ownDevice(host, device);
  return device;
}
