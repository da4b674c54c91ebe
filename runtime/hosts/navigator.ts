/** @file Hosts that bring WebGPU themselves, as `navigator.gpu`: browsers, and Deno beneath deno.ts. */
import { DeviceUnavailableError } from "../device-errors.ts";
import { type DeviceChoice, type HostAdapter, hostAdapter } from "./adapter.ts";

/** The parts of a host's global object that are looked at; each is missing somewhere. */
interface HostGlobals {
  readonly navigator?: { readonly gpu?: GPU };
  readonly isSecureContext?: boolean;
  readonly Deno?: object;
}

const host = globalThis as HostGlobals;

export function hasNavigatorGpu(): boolean {
  return host.navigator?.gpu !== undefined;
}

export async function navigatorAdapter(choice: DeviceChoice): Promise<HostAdapter> {
  const gpu = host.navigator?.gpu;
  if (!gpu) throw new DeviceUnavailableError(whyNoWebGpu());
  const hardware = choice === "software" ? null : await request(gpu, { powerPreference: "high-performance" });
  if (hardware?.kind === "gpu") return hardware;
  if (choice === "gpu") throw new DeviceUnavailableError(noGraphicsCard(hardware));
  const software = hardware ?? (await softwareAdapter(gpu));
  if (software) return software;
  throw new DeviceUnavailableError(
    choice === "auto"
      ? `WebGPU is here, but it offers no adapter. ${ADVICE}`
      : `WebGPU is here, but it offers no software adapter. ${SOFTWARE_ADVICE}`,
  );
}

async function softwareAdapter(gpu: GPU): Promise<HostAdapter | null> {
  const fallback = await request(gpu, { forceFallbackAdapter: true });
  if (fallback) return fallback;
  // A host whose only adapter is software may offer it as the normal one alone.
  const normal = await request(gpu, {});
  return normal?.kind === "software" ? normal : null;
}

async function request(gpu: GPU, options: GPURequestAdapterOptions): Promise<HostAdapter | null> {
  const adapter = await gpu.requestAdapter(options);
  return adapter && hostAdapter(adapter);
}

const ADVICE = host.Deno
  ? "Install the graphics driver (on Linux: its Vulkan driver and libvulkan), or start Deno with -A for the software " +
    "adapter of the npm package @sparticuz/chromium."
  : "Update the graphics driver, and see chrome://gpu or about:support for the reason.";

const SOFTWARE_ADVICE = host.Deno
  ? "Start Deno with -A on Linux, with the npm package @sparticuz/chromium installed."
  : "Chrome has one when started with --enable-unsafe-webgpu --use-webgpu-adapter=swiftshader.";

function noGraphicsCard(found: HostAdapter | null): string {
  return found
    ? `The only adapter is ${found.name}, not a graphics card. ${ADVICE}`
    : `WebGPU is here, but it offers no graphics card. ${ADVICE}`;
}

function whyNoWebGpu(): string {
  if (host.Deno) return "This Deno has WebGPU switched off. Start it with --unstable-webgpu.";
  if (host.isSecureContext === false) {
    return "WebGPU is only there on secure pages. Serve this one over https or from localhost.";
  }
  return "This browser has no WebGPU. Use Chrome or Edge 113, Safari 26, Firefox 141, or anything newer.";
}
