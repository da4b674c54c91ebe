/**
 * @file The headless Chromium of the npm package @sparticuz/chromium, unpacked once into a cache. It needs no system
 * package: the libraries it lacks, and SwiftShader, lie in the same package.
 */
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { readTar } from "../../runtime/hosts/ustar.ts";

/** What makes it a browser with WebGPU on SwiftShader. */
export const webGpuFlags: readonly string[] = [
  "--no-sandbox",
  "--headless=new",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
  "--ignore-gpu-blocklist",
];

/** Without it Dawn clears workgroup memory first, and SwiftShader takes a second to compile that for 16 KB. */
export const noWorkgroupInit = "--enable-dawn-features=disable_workgroup_init";

export interface UnpackedChromium {
  readonly version: string;
  readonly executable: string;
  /** The environment it is started with: it finds its libraries beside itself, this process finds them elsewhere. */
  readonly env: Record<string, string>;
}

const defaultCache = fileURLToPath(new URL("../../node_modules/.cache/cellgrad", import.meta.url));

/** Unpacks the browser into a folder of ours where no process has before. */
export async function unpackChromium(cache: string = defaultCache): Promise<UnpackedChromium> {
  const root = packageRoot();
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
  const folder = join(cache, `chromium-${version}`);
  if (!existsSync(folder)) await unpack(root, cache, folder);
  const env = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  return { version, executable: join(folder, "chromium"), env: { ...env, LD_LIBRARY_PATH: folder } };
}

/** Unpacks beside the target and renames, so that other processes see all of the files or none. */
async function unpack(root: string, cache: string, folder: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const aside = await mkdtemp(`${folder}.`);
  const unpacked = async (name: string) => promisify(brotliDecompress)(await readFile(join(root, "bin", name)));
  await writeFile(join(aside, "chromium"), await unpacked("chromium.br"));
  await chmod(join(aside, "chromium"), 0o755);
  for (const archive of ["al2023.tar.br", "swiftshader.tar.br"]) {
    for (const [name, bytes] of readTar(await unpacked(archive))) await writeFile(join(aside, basename(name)), bytes);
  }
  await rename(aside, folder).catch(async (error: unknown) => {
    await rm(aside, { recursive: true, force: true });
    // Another process was faster: its files are as good.
    if (!existsSync(folder)) throw error;
  });
}

function packageRoot(): string {
  let folder = dirname(createRequire(import.meta.url).resolve("@sparticuz/chromium"));
  while (!existsSync(join(folder, "bin", "chromium.br"))) {
    if (folder === dirname(folder)) throw new Error("@sparticuz/chromium is not installed; run npm ci");
    folder = dirname(folder);
  }
  return folder;
}
