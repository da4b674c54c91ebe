/**
 * @file Vulkan on Linux, before Dawn asks for it: whether there can be a graphics card at all, and which loader and
 * drivers Dawn will find. Dawn prints warnings where Vulkan is missing or has no driver, so it is asked only where the
 * answer can be yes.
 */
import { readdirSync } from "node:fs";
import { constants, homedir, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Bun, bun } from "./bun.ts";

/** Keeps a library loaded after Node closes it. Node has no name for it; the value is the same in glibc and musl. */
const RTLD_NODELETE = 0x1000;

/**
 * Loads a shared library that is no Node addon, so that a later load of the same library, by name, finds it: the one way
 * to say where libvulkan is from within a running process. Returns why it cannot be loaded, or undefined.
 */
export function loadFault(library: string, host: Bun | undefined = bun): string | undefined {
  try {
    if (host === undefined) process.dlopen({ exports: {} }, library, constants.dlopen.RTLD_NOW | RTLD_NODELETE);
    else host.load(library);
    return undefined;
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    // Node complains that the library is no addon, after having loaded it. Any other complaint is a failure.
    return said.includes("did not self-register") ? undefined : said;
  }
}

/** Variables that say which drivers a Vulkan loader takes; where one is set, the user has chosen. */
export function userChoseDrivers(): boolean {
  return Boolean(process.env.VK_DRIVER_FILES || process.env.VK_ICD_FILENAMES || process.env.VK_ADD_DRIVER_FILES);
}

/** The variables that make a Vulkan loader take these drivers and no others. */
export function onlyDrivers(manifests: readonly string[]): Record<string, string | undefined> {
  const files = manifests.join(":");
  // The first is the newer name and wins where both are known.
  return { VK_DRIVER_FILES: files, VK_ICD_FILENAMES: files, VK_ADD_DRIVER_FILES: undefined };
}

/** The installed drivers for graphics cards: their manifests, or none where the machine shows no card. */
export function cardDrivers(): string[] {
  return hasCard() ? installedDrivers().filter(isCardDriver) : [];
}

/** The manifest of lavapipe, Mesa's driver that runs on the CPU, where it is installed for this one. */
export function lavapipe(arch: string = process.arch): string | undefined {
  const names: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };
  const known = ["lvp_icd.json", `lvp_icd.${names[arch] ?? arch}.json`];
  return installedDrivers().find((manifest) => known.includes(basename(manifest)));
}

/** The manifests of all drivers that a Vulkan loader would find, and of some that it would not. */
function installedDrivers(): string[] {
  const { env } = process;
  const split = (list: string | undefined, fallback: string) => (list || fallback).split(":");
  const parents = [
    ...split(env.XDG_CONFIG_HOME, join(homedir(), ".config")),
    ...split(env.XDG_CONFIG_DIRS, "/etc/xdg"),
    "/etc",
    ...split(env.XDG_DATA_HOME, join(homedir(), ".local/share")),
    ...split(env.XDG_DATA_DIRS, "/usr/local/share:/usr/share"),
    // NVIDIA's driver in containers, and NixOS: places that the loader itself does not search.
    "/usr/local/nvidia/share",
    "/run/opengl-driver/share",
  ];
  const folders = [...new Set(parents)].map((parent) => join(parent, "vulkan/icd.d"));
  return folders.flatMap((folder) => list(folder).map((file) => join(folder, file)));
}

/** Neither lavapipe, which is software and which Dawn refuses, nor a driver for 32-bit programs. */
function isCardDriver(manifest: string): boolean {
  return manifest.endsWith(".json") && !/^lvp|i[36]86/.test(basename(manifest));
}

function hasCard(): boolean {
  return list("/dev/dri").some((file) => file.startsWith("renderD")) || list("/dev").some(isCard);
}

/** NVIDIA's cards, Windows' under WSL, and two kinds that are common on ARM. */
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
 * Runs `action` with environment variables set, and puts them back. Drivers read them once, when Dawn first asks for an
 * adapter. One action at a time, because the environment belongs to the whole process.
 */
export function withEnvironment<T>(
  variables: Record<string, string | undefined>,
  action: () => Promise<T>,
): Promise<T> {
  const run = async () => {
    // Drivers complain on stderr where this one is unset.
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
