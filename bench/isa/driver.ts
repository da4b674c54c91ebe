/**
 * @file AMD's Vulkan driver with no GPU behind it: where it is, the layer that keeps work from running, and a child
 * process that compiles kernels there, one at a time, and marks them on standard error between the driver's prints.
 */
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The chip that the driver compiles for: Navi 21, RDNA 2. */
export const family = "navi21";

const usual = {
  /** Folders of drivers' manifests. */
  manifests: ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"] as readonly string[],
  header: "/usr/include/vulkan/vk_layer.h",
};
const packages = "apt-get install --no-install-recommends mesa-vulkan-drivers libvulkan-dev gcc";

export interface Driver {
  readonly manifest: string;
  /** The folder with the layer and its manifest. */
  readonly layers: string;
}

/** Why the tool cannot run here. */
export class NotRun extends Error {}

/**
 * Finds the driver, and builds the layer from `source` once per version of it.
 *
 * @throws NotRun where something is missing, with what to install.
 */
export function findDriver(source: string, { manifests, header }: typeof usual = usual): Driver {
  if (process.platform !== "linux") throw new NotRun("AMD's driver for it, RADV, is for Linux only");
  const manifest = manifests
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
    .find((file) => /\/radeon_icd.*\.json$/.test(file));
  if (manifest === undefined) throw new NotRun(`no RADV driver in ${manifests.join(" or ")} (${packages})`);
  if (!existsSync(header)) throw new NotRun(`no Vulkan headers (${packages})`);
  return { manifest, layers: builtLayer(source) };
}

function builtLayer(source: string): string {
  const hash = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 16);
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "cellgrad");
  const folder = join(cache, `compile-only-${hash}`);
  const library = join(folder, "libcompile_only.so");
  if (!existsSync(library)) {
    mkdirSync(folder, { recursive: true });
    const fresh = `${library}.${process.pid}`;
    try {
      execFileSync("gcc", ["-shared", "-fPIC", "-O1", "-o", fresh, source], { stdio: ["ignore", "ignore", "pipe"] });
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT")
        throw new NotRun(`no gcc (${packages})`);
      throw error;
    }
    renameSync(fresh, library);
  }
  const manifest = {
    file_format_version: "1.1.2",
    layer: {
      ...{ name: "VK_LAYER_CELLGRAD_compile_only", type: "GLOBAL", library_path: library, api_version: "1.3.0" },
      ...{ implementation_version: "1", description: "pipelines are compiled, nothing runs" },
      functions: { vkNegotiateLoaderLayerInterfaceVersion: "compile_only_negotiate" },
    },
  };
  writeFileSync(join(folder, "compile_only.json"), JSON.stringify(manifest));
  return folder;
}

/**
 * Runs a script of Node's under the driver and returns what it and the driver print on standard error, by way of a file:
 * the driver's threads write more than a pipe holds.
 */
export async function underDriver(
  { manifest, layers }: Driver,
  script: string,
  args: readonly string[],
  printed: string,
): Promise<string> {
  const env = {
    ...process.env,
    RADV_FORCE_FAMILY: family,
    RADV_DEBUG: "shaders,shaderstats,nocache",
    VK_ICD_FILENAMES: manifest,
    VK_LAYER_PATH: layers,
    VK_INSTANCE_LAYERS: "VK_LAYER_CELLGRAD_compile_only",
    XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? layers,
  };
  const file = openSync(printed, "w");
  try {
    const child = spawn(process.execPath, [script, ...args], { env, stdio: ["ignore", "ignore", file] });
    const [code] = await once(child, "close");
    const text = readFileSync(printed, "utf8");
    if (code !== 0) throw new Error(`the compiling process ended with ${code}: ${text.slice(-500)}`);
    return text;
  } finally {
    closeSync(file);
  }
}
