/** @file Hosts with built-in WebGPU as `navigator.gpu`: browsers, and Deno (called from deno.ts). */
import { DeviceUnavailableError } from "../device-errors.ts";
import { type AdapterChoice, type HostAdapter, hostAdapter } from "./adapter.ts";

/** The parts of a host's global object that are used; each is missing in some host. */
interface HostGlobals {
  readonly navigator?: { readonly gpu?: GPU };
  readonly isSecureContext?: boolean;
}

const host = globalThis as HostGlobals;

/** Advice for the user if something is missing. */
export interface HostAdvice {
  readonly noWebGpu: string;
  readonly noAdapter: string;
  readonly noSoftwareAdapter: string;
}

export function hasNavigatorGpu(): boolean {
  return host.navigator?.gpu !== undefined;
}

export async function navigatorAdapter(
  choice: AdapterChoice,
  advice: HostAdvice = adviceOfBrowsers(),
): Promise<HostAdapter> {
  const gpu = host.navigator?.gpu;
  if (!gpu) throw new DeviceUnavailableError(advice.noWebGpu);
  const hardware = choice === "software" ? null : await request(gpu, { powerPreference: "high-performance" });
  if (hardware?.kind === "gpu") return hardware;
  if (choice === "gpu") {
    const found = hardware
      ? `The only adapter is ${hardware.name}, not a graphics card.`
      : "WebGPU is available, but it offers no graphics card.";
    throw new DeviceUnavailableError(`${found} ${advice.noAdapter}`);
  }
  const software = hardware ?? (await softwareAdapter(gpu));
  if (software) return software;
  throw new DeviceUnavailableError(
    choice === "auto"
      ? `WebGPU is available, but it offers no adapter. ${advice.noAdapter}`
      : `WebGPU is available, but it offers no software adapter. ${advice.noSoftwareAdapter}`,
  );
}

async function softwareAdapter(gpu: GPU): Promise<HostAdapter | null> {
  const fallback = await request(gpu, { forceFallbackAdapter: true });
  if (fallback) return fallback;
  // A host whose only adapter is software can offer it only as the normal one.
  const normal = await request(gpu, {});
  return normal?.kind === "software" ? normal : null;
}

async function request(gpu: GPU, options: GPURequestAdapterOptions): Promise<HostAdapter | null> {
  const adapter = await gpu.requestAdapter(options);
  return adapter && hostAdapter(adapter, undefined, !("Deno" in globalThis));
}

function adviceOfBrowsers(): HostAdvice {
  return {
    noWebGpu:
      host.isSecureContext === false
        ? "WebGPU is available only on secure pages. Serve this one over https or from localhost."
        : "This browser has no WebGPU. Use Chrome or Edge 113, Safari 26, Firefox 141, or anything newer.",
    noAdapter: "Update the graphics driver, and see chrome://gpu or about:support for the reason.",
    noSoftwareAdapter: "Chrome has one when started with --enable-unsafe-webgpu --use-webgpu-adapter=swiftshader.",
  };
}
