/**
 * @file SwiftShader, a Vulkan driver for the CPU, from the npm package @sparticuz/chromium: the only one that npm can
 * install. The package contains the driver as an archive, which is unpacked once, into a cache.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { DeviceUnavailableError } from "../device-errors.ts";
import { unpackOnce } from "./unpack.ts";

const PACKAGE = "@sparticuz/chromium";
const FILES = { driver: "libvk_swiftshader.so", loader: "libvulkan.so.1", manifest: "vk_swiftshader_icd.json" };

export interface SwiftShader {
  /** The driver's manifest, which a Vulkan loader reads from the variable VK_DRIVER_FILES. */
  readonly manifest: string;
  /** A Vulkan loader (libvulkan.so.1), for systems without one. */
  readonly loader: string;
}

let unpacked: Promise<SwiftShader> | undefined;

/** Finds the package, unpacks its driver unless it is cached, and returns the paths of its files. */
export function swiftShader(): Promise<SwiftShader> {
  unpacked ??= locate().catch((error: unknown) => {
    unpacked = undefined;
    throw error;
  });
  return unpacked;
}

async function locate(): Promise<SwiftShader> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    const here = `${process.platform} on ${process.arch}`;
    throw new DeviceUnavailableError(
      `The packaged software adapter is for Linux on x64, and this is ${here}. Use a graphics card ("gpu"), or the CPU ("cpu").`,
    );
  }
  const root = packageRoot();
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
  const archive = join(root, "bin", "swiftshader.tar.br");
  const folder = await unpackOnce(archive, Object.values(FILES), `swiftshader-${version}`, [
    join(root, "..", "..", ".cache", "cellgrad"),
    join(tmpdir(), `cellgrad-${userInfo().username}`),
  ]);
  return { manifest: join(folder, FILES.manifest), loader: join(folder, FILES.loader) };
}

function packageRoot(): string {
  const missing = `The software adapter's package is missing. Install it with: npm install ${PACKAGE}@147`;
  let folder: string;
  try {
    folder = dirname(createRequire(import.meta.url).resolve(PACKAGE));
  } catch (cause) {
    throw new DeviceUnavailableError(missing, { cause });
  }
  // The package does not export its package.json, so search for its root from its entry file.
  while (!existsSync(join(folder, "bin", "swiftshader.tar.br"))) {
    if (folder === dirname(folder)) throw new DeviceUnavailableError(missing);
    folder = dirname(folder);
  }
  return folder;
}
