/**
 * @file Vulkan on Linux: checks whether there can be a graphics card, and sets the loader and drivers that Dawn will find.
 * Dawn prints warnings if Vulkan or its drivers are missing, so it is called only if it can succeed.
 */
import { readdirSync } from "node:fs";
import { constants, homedir, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Bun, bun } from "./bun.ts";

/** Keeps a library loaded after Node closes it. Node does not define it; the value is the same in glibc and musl. */
const RTLD_NODELETE = 0x1000;

/**
 * Loads a shared library that is not a Node addon, so that a later load by name finds it: the only way to set the location
 * of libvulkan within a running process. Returns why it cannot be loaded, or undefined.
 */
export function loadFault(library: string, host: Bun | undefined = bun): string | undefined {
  try {
    if (host === undefined) process.dlopen({ exports: {} }, library, constants.dlopen.RTLD_NOW | RTLD_NODELETE);
    else host.load(library);
    return undefined;
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    // After loading the library, Node complains that it is not an addon. Any other error is a failure.
    return said.includes("did not self-register") ? undefined : said;
  }
}

/** Whether the user has set one of the variables that select a Vulkan loader's drivers. */
export function userChoseDrivers(): boolean {
  return Boolean(process.env.VK_DRIVER_FILES || process.env.VK_ICD_FILENAMES || process.env.VK_ADD_DRIVER_FILES);
}

/** The variables that make a Vulkan loader use only these drivers. */
export function onlyDrivers(manifests: readonly string[]): Record<string, string | undefined> {
  const files = manifests.join(":");
  // VK_DRIVER_FILES is the newer name; a loader that knows both prefers it.
  return { VK_DRIVER_FILES: files, VK_ICD_FILENAMES: files, VK_ADD_DRIVER_FILES: undefined };
}

/** The manifests of the installed drivers for graphics cards; empty if the machine has no card. */
export function cardDrivers(): string[] {
  return hasCard() ? installedDrivers().filter(isCardDriver) : [];
}

/** The manifest of lavapipe, Mesa's CPU driver, if it is installed for this architecture. */
export function lavapipe(arch: string = process.arch): string | undefined {
  const names: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };
  const known = ["lvp_icd.json", `lvp_icd.${names[arch] ?? arch}.json`];
  return installedDrivers().find((manifest) => known.includes(basename(manifest)));
}

/** The manifests of all drivers that a Vulkan loader would find, and of some in other locations. */
function installedDrivers(): string[] {
  const { env } = process;
  const split = (list: string | undefined, fallback: string) => (list || fallback).split(":");
  const parents = [
    ...split(env.XDG_CONFIG_HOME, join(homedir(), ".config")),
    ...split(env.XDG_CONFIG_DIRS, "/etc/xdg"),
    "/etc",
    ...split(env.XDG_DATA_HOME, join(homedir(), ".local/share")),
    ...split(env.XDG_DATA_DIRS, "/usr/local/share:/usr/share"),
    // NVIDIA's driver in containers, and NixOS: locations that the loader does not search.
    "/usr/local/nvidia/share",
    "/run/opengl-driver/share",
  ];
  const folders = [...new Set(parents)].map((parent) => join(parent, "vulkan/icd.d"));
  return folders.flatMap((folder) => list(folder).map((file) => join(folder, file)));
}

/** Excludes lavapipe, a software driver that Dawn rejects, and drivers for 32-bit programs. */
function isCardDriver(manifest: string): boolean {
  return manifest.endsWith(".json") && !/^lvp|i[36]86/.test(basename(manifest));
}

function hasCard(): boolean {
  return list("/dev/dri").some((file) => file.startsWith("renderD")) || list("/dev").some(isCard);
}

/** Device files of NVIDIA cards, of Windows cards under WSL, and of two GPUs common on ARM. */
function isCard(file: string): boolean {
  return /^(nvidia\d+|dxg|kgsl-3d0|mali0)$/.test(file);
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

let queue: Promise<unknown> = Promise.resolve();

/**
 * Runs `action` with environment variables set, then restores them. Drivers read them once, at the first request for an
 * adapter. Actions run one at a time, because the environment is shared by the whole process.
 */
export function withEnvironment<T>(
  variables: Record<string, string | undefined>,
  action: () => Promise<T>,
): Promise<T> {
  const run = async () => {
    // Drivers print a warning if XDG_RUNTIME_DIR is unset.
    const wanted = { XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR || tmpdir(), ...variables };
    const before = Object.keys(wanted).map((name) => [name, process.env[name]] as const);
    setVariables(Object.entries(wanted));
    try {
      return await action();
    } finally {
      setVariables(before);
    }
  };
  const result = queue.then(run);
  queue = result.catch(() => undefined);
  return result;
}

function setVariables(variables: Iterable<readonly [string, string | undefined]>): void {
  for (const [name, value] of variables) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
    bun?.setVariable(name, value);
  }
}
