/**
 * @file Node and Bun: WebGPU comes from Dawn (the npm package `webgpu`), on Metal, Direct3D or Vulkan. On Linux without a
 * graphics card it uses SwiftShader. No environment variable or Node flag is needed.
 */
import { isMainThread } from "node:worker_threads";
import { DeviceUnavailableError } from "../device-errors.ts";
import { type AdapterChoice, type HostAdapter, hostAdapter, isSoftware } from "./adapter.ts";
import { sleepingWait } from "./sleeping-wait.ts";
import { swiftShader } from "./swiftshader.ts";
import { cardDrivers, loadFault, onlyDrivers, userChoseDrivers, withEnvironment } from "./vulkan.ts";

/**
 * By default Dawn clears workgroup memory at the start of every kernel, and on SwiftShader the code for that takes seconds
 * to compile. Our kernels never read workgroup memory that they have not written.
 */
const SOFTWARE_FLAGS = ["enable-dawn-features=disable_workgroup_init"];
const VULKAN_ONLY = process.platform === "linux" ? ["backend=vulkan"] : [];

export { sleepingWait } from "./sleeping-wait.ts";

type CreateGpu = (flags: string[]) => GPU;

export async function nodeAdapter(choice: AdapterChoice): Promise<HostAdapter> {
  // Do not load Dawn on a machine without a card.
  if (choice === "gpu" && !usesSystemDrivers() && cardDrivers().length === 0)
    throw new DeviceUnavailableError(noGraphicsCard(null));
  const create = await loadDawn();
  const system = choice === "software" ? null : await systemAdapter(create);
  if (system && (system.kind === "gpu" || (choice === "auto" && userChoseDrivers()))) return system;
  if (choice === "gpu") throw new DeviceUnavailableError(noGraphicsCard(system));
  try {
    return await softwareAdapter(create);
  } catch (error) {
    if (system) return system;
    if (choice === "software" || !(error instanceof DeviceUnavailableError)) throw error;
    throw new DeviceUnavailableError(`No graphics card was found. ${error.message}`, { cause: error });
  }
}

/** The adapter that Dawn finds on this machine by itself. */
async function systemAdapter(create: CreateGpu): Promise<HostAdapter | null> {
  const asIs = usesSystemDrivers();
  const drivers = asIs ? [] : cardDrivers();
  if ((!asIs && drivers.length === 0) || !(await hasLoader())) return null;
  return request(create, "system", [], asIs ? {} : onlyDrivers(drivers));
}

function usesSystemDrivers(): boolean {
  return process.platform !== "linux" || userChoseDrivers();
}

/** Whether a Vulkan loader can be loaded. Containers often have a driver without a loader; SwiftShader's package has one. */
async function hasLoader(): Promise<boolean> {
  if (process.platform !== "linux" || loadFault("libvulkan.so.1") === undefined) return true;
  return swiftShader().then(
    ({ loader }) => loadFault(loader) === undefined,
    () => false,
  );
}

async function softwareAdapter(create: CreateGpu): Promise<HostAdapter> {
  // Windows has a built-in software adapter (WARP).
  const windows = process.platform === "win32";
  const host = windows ? await request(create, "software", SOFTWARE_FLAGS, {}) : await packagedAdapter(create);
  if (host) return host;
  throw new DeviceUnavailableError(windows ? NO_WARP : isMainThread ? REFUSED : IN_WORKER);
}

const NO_WARP = 'Windows offers no software adapter here. Use a graphics card, or the CPU ("cpu").';
const REFUSED = "Dawn refused the packaged software adapter. Reinstall it with: npm install @sparticuz/chromium@147";
const IN_WORKER =
  "The software adapter was not found from a worker thread, whose environment drivers do not see. " +
  "Start the worker with env: SHARE_ENV (in Vitest: pool forks).";

async function packagedAdapter(create: CreateGpu): Promise<HostAdapter | null> {
  const { manifest, loader } = await swiftShader();
  const reason = loadFault("libvulkan.so.1") && loadFault(loader);
  if (reason !== undefined) {
    const [first = ""] = reason
      .replace(loader, "")
      .replace(/^[: ]+/, "")
      .split("\n");
    throw new DeviceUnavailableError(
      `The Vulkan loader ${loader} cannot be loaded (${first}). It needs a Linux with glibc; install libvulkan (libvulkan1) there.`,
    );
  }
  return request(create, "software", SOFTWARE_FLAGS, onlyDrivers([manifest]));
}

/**
 * Dawn's entry objects, one for each set of drivers. They live as long as the process: garbage-collecting one while its
 * device is in use crashes Node. (Since webgpu 0.6 they no longer keep Node from exiting.)
 */
const instances = new Map<"system" | "software", GPU>();

async function request(
  create: CreateGpu,
  drivers: "system" | "software",
  flags: readonly string[],
  environment: Record<string, string | undefined>,
): Promise<HostAdapter | null> {
  return withEnvironment(environment, async () => {
    const gpu = instances.get(drivers) ?? create([...VULKAN_ONLY, ...flags]);
    instances.set(drivers, gpu);
    const adapter = await gpu.requestAdapter({
      powerPreference: "high-performance",
      forceFallbackAdapter: drivers === "software",
    });
    return adapter && hostAdapter(adapter, isSoftware(adapter.info) ? sleepingWait : undefined);
  });
}

async function loadDawn(): Promise<CreateGpu> {
  const { create, globals } = await import("webgpu").catch((cause: unknown) => {
    const missing = (cause as { code?: string }).code === "ERR_MODULE_NOT_FOUND";
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DeviceUnavailableError(
      missing
        ? "WebGPU for Node is missing. Install it with: npm install webgpu"
        : `WebGPU for Node cannot be loaded (${reason}). The package webgpu needs Linux with glibc, macOS or Windows.`,
      { cause },
    );
  });
  installGlobals(globals);
  return create;
}

/** Makes GPUBufferUsage and similar names global, as they are in browsers. */
function installGlobals(globals: object): void {
  for (const [name, value] of Object.entries(globals)) {
    if (name in globalThis) continue;
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
}

function noGraphicsCard(found: HostAdapter | null): string {
  const reason = found ? `The only adapter is ${found.name}, not a graphics card.` : "No graphics card was found.";
  const advice = process.platform === "linux" ? "its Vulkan driver and libvulkan" : "its driver";
  return `${reason} Install ${advice}, or use the CPU ("cpu").`;
}
