/**
 * @file Deno: WebGPU is `navigator.gpu`, as in browsers. On Linux without a graphics card, a software driver is configured
 * first. Deno searches for drivers once, at the first request, so a process keeps its first kind of adapter.
 */
import { DeviceUnavailableError } from "../device-errors.ts";
import type { AdapterChoice, HostAdapter } from "./adapter.ts";
import { type HostAdvice, navigatorAdapter } from "./navigator.ts";
import { swiftShader } from "./swiftshader.ts";
import { cardDrivers, lavapipe, onlyDrivers, userChoseDrivers, withEnvironment } from "./vulkan.ts";

/** The part of Deno's API that is used. */
interface DenoHost {
  readonly dlopen: (library: string, symbols: object) => unknown;
  readonly permissions: { readonly querySync: (permission: { name: string }) => { readonly state: string } };
}

const advice: HostAdvice = {
  noWebGpu: "This Deno has WebGPU switched off. Start it with --unstable-webgpu.",
  noAdapter:
    "Install the graphics driver (on Linux: its Vulkan driver and libvulkan), or start Deno with -A for the software " +
    "adapter of the npm package @sparticuz/chromium.",
  noSoftwareAdapter: "Start Deno with -A on Linux, with the npm package @sparticuz/chromium installed.",
};

export async function denoAdapter(choice: AdapterChoice): Promise<HostAdapter> {
  const { Deno: deno } = globalThis as { readonly Deno?: DenoHost };
  if (!deno || process.platform !== "linux" || !mayLoad(deno) || !wantsSoftware(choice))
    return navigatorAdapter(choice, advice);
  let manifest: string;
  try {
    manifest = await softwareDriver(deno);
  } catch (error) {
    if (choice === "software" && error instanceof DeviceUnavailableError) throw error;
    return navigatorAdapter(choice, advice);
  }
  return withEnvironment(onlyDrivers([manifest]), () => navigatorAdapter(choice, advice));
}

/**
 * Loads a Vulkan loader and returns the driver to use: lavapipe if it is installed, which needs a third of the time of the
 * packaged SwiftShader per training step, otherwise SwiftShader. Libraries are never closed: a later load of libvulkan by
 * name finds this one.
 */
async function softwareDriver({ dlopen }: DenoHost): Promise<string> {
  const installed = lavapipe();
  if (installed !== undefined) {
    try {
      dlopen("libvulkan.so.1", {});
    } catch {
      dlopen((await swiftShader()).loader, {});
    }
    return installed;
  }
  const { loader, manifest } = await swiftShader();
  dlopen(loader, {});
  return manifest;
}

function wantsSoftware(choice: AdapterChoice): boolean {
  return choice === "software" || (choice === "auto" && !userChoseDrivers() && cardDrivers().length === 0);
}

/** Whether all permissions are already granted: a search for an adapter must not prompt at the terminal. */
function mayLoad(deno: DenoHost): boolean {
  return ["ffi", "env", "read", "write", "sys"].every(
    (name) => deno.permissions.querySync({ name }).state === "granted",
  );
}
