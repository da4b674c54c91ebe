/**
 * @file Deno: WebGPU is `navigator.gpu`, as in browsers, and on Linux without a graphics card it is pointed at a software
 * driver first. Deno looks for drivers once, at the first request, so a process keeps the kind it began with.
 */
import { DeviceUnavailableError } from "../device-errors.ts";
import type { AdapterChoice, HostAdapter } from "./adapter.ts";
import { type HostAdvice, navigatorAdapter } from "./navigator.ts";
import { swiftShader } from "./swiftshader.ts";
import { cardDrivers, lavapipe, onlyDrivers, userChoseDrivers, withEnvironment } from "./vulkan.ts";

/** What is used of Deno's own interface. */
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
 * The driver to use, once a loader is there: lavapipe where it is installed, which takes a third of the time of the
 * packaged SwiftShader for a training step, and SwiftShader elsewhere. Libraries are never closed: a later load of
 * libvulkan, by name, finds this one.
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

/** Only with permissions that are already granted: a question at the terminal is no part of looking for an adapter. */
function mayLoad(deno: DenoHost): boolean {
  return ["ffi", "env", "read", "write", "sys"].every(
    (name) => deno.permissions.querySync({ name }).state === "granted",
  );
}
