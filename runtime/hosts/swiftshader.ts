/**
 * @file SwiftShader, a Vulkan driver that runs on the processor, from the npm package @sparticuz/chromium: the only one
 * that installs with npm alone. The driver lies in the package as an archive and is unpacked once, into a cache.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { DeviceUnavailableError } from "../device-errors.ts";
import { readTar } from "./ustar.ts";

const PACKAGE = "@sparticuz/chromium";
const FILES = { driver: "libvk_swiftshader.so", loader: "libvulkan.so.1", manifest: "vk_swiftshader_icd.json" };

export interface SwiftShader {
  /** The file that names the driver; a Vulkan loader takes it from the variable VK_DRIVER_FILES. */
  readonly manifest: string;
  /** A Vulkan loader (libvulkan.so.1), for systems without one. */
  readonly loader: string;
}

let unpacked: Promise<SwiftShader> | undefined;

/** Finds the package, unpacks its driver if no process has before, and says where the files are. */
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
      `The packaged software adapter is for Linux on x64, and this is ${here}. Use a graphics card ("gpu"), or "cpu".`,
    );
  }
  const root = packageRoot();
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
  const folder = await unpackOnce(join(root, "bin", "swiftshader.tar.br"), `swiftshader-${version}`, [
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
  // The package does not export its package.json, so its root is found from its entry file.
  while (!existsSync(join(folder, "bin", "swiftshader.tar.br"))) {
    if (folder === dirname(folder)) throw new DeviceUnavailableError(missing);
    folder = dirname(folder);
  }
  return folder;
}

/** Unpacks into the first of the parent folders that can be written, and returns the folder. */
async function unpackOnce(archive: string, name: string, parents: readonly string[]): Promise<string> {
  for (const parent of parents) if (await isOurs(join(parent, name))) return join(parent, name);
  let failure: unknown;
  for (const parent of parents) {
    try {
      return await unpack(archive, parent, name);
    } catch (error) {
      failure = error;
    }
  }
  const reason = failure instanceof Error ? failure.message : String(failure);
  throw new DeviceUnavailableError(
    `The software adapter could not be unpacked (${reason}). Make ${parents.join(" or ")} writable.`,
    { cause: failure },
  );
}

/** A folder that another user made is not trusted: code would be loaded from it. */
async function isOurs(folder: string): Promise<boolean> {
  const found = await stat(folder).catch(() => undefined);
  return found !== undefined && (found.uid === process.getuid?.() || found.uid === 0);
}

/** Unpacks beside the target and renames, so that other processes see all of the files or none. */
async function unpack(archive: string, parent: string, name: string): Promise<string> {
  const target = join(parent, name);
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const aside = await mkdtemp(`${target}.`);
  try {
    const files = readTar(await promisify(brotliDecompress)(await readFile(archive)));
    for (const file of Object.values(FILES)) {
      const bytes = files.get(file);
      if (!bytes) throw new Error(`${archive} holds no ${file}`);
      await writeFile(join(aside, file), bytes);
    }
    await rename(aside, target);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    // Another process was faster: its files are as good.
    if (!(await isOurs(target))) throw error;
  }
  return target;
}
