/**
 * @file The headless Chromium of the npm package @sparticuz/chromium, unpacked once into a cache, and started on a page.
 * It needs no system package: the libraries it lacks, and SwiftShader, lie in the same package.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { readTar } from "../../runtime/hosts/ustar.ts";

const baseFlags = [
  "--no-sandbox",
  "--headless=new",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
  "--ignore-gpu-blocklist",
];
/** What any automated browser is started with; none of them touches WebGPU. */
const automationFlags = ["--no-first-run", "--disable-dev-shm-usage", "--remote-debugging-port=0"];

export function flagsFor(workgroupInit: boolean): string[] {
  return workgroupInit ? baseFlags : [...baseFlags, "--enable-dawn-features=disable_workgroup_init"];
}

export interface Chromium {
  readonly version: string;
  readonly folder: string;
}

/** Unpacks the browser where that has not been done; `cache` is a folder of ours. */
export async function unpackChromium(cache: string): Promise<Chromium> {
  const root = packageRoot();
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
  const folder = join(cache, `chromium-${version}`);
  if (existsSync(folder)) return { version, folder };
  await mkdir(cache, { recursive: true });
  const aside = await mkdtemp(`${folder}.`);
  const unpacked = async (name: string) => promisify(brotliDecompress)(await readFile(join(root, "bin", name)));
  await writeFile(join(aside, "chromium"), await unpacked("chromium.br"));
  await chmod(join(aside, "chromium"), 0o755);
  for (const archive of ["al2023.tar.br", "swiftshader.tar.br"]) {
    for (const [name, bytes] of readTar(await unpacked(archive))) await writeFile(join(aside, basename(name)), bytes);
  }
  await rename(aside, folder);
  return { version, folder };
}

function packageRoot(): string {
  let folder = dirname(createRequire(import.meta.url).resolve("@sparticuz/chromium"));
  while (!existsSync(join(folder, "bin", "chromium.br"))) {
    if (folder === dirname(folder)) throw new Error("@sparticuz/chromium is not installed; run npm ci");
    folder = dirname(folder);
  }
  return folder;
}

export interface Browser {
  /** Rejects where the browser ends by itself. */
  readonly failed: Promise<never>;
  readonly close: () => Promise<void>;
}

/** Opens a page in a browser with a profile of its own, so that no cache of shaders is warm. */
export async function openBrowser(chromium: Chromium, url: string, flags: readonly string[]): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), "cellgrad-bench-"));
  const child = spawn(
    join(chromium.folder, "chromium"),
    [...flags, ...automationFlags, `--user-data-dir=${profile}`, url],
    // Its own environment only: this process finds its libraries elsewhere.
    { env: { ...process.env, LD_LIBRARY_PATH: chromium.folder }, stdio: ["ignore", "ignore", "pipe"] },
  );
  let complaints = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    complaints = `${complaints}${chunk}`.slice(-4000);
  });
  let closing = false;
  const failed = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      if (!closing) reject(new Error(`the browser ended (${code ?? signal}): ${complaints}`));
    });
  });
  failed.catch(() => {});
  const close = async () => {
    closing = true;
    await ended(child);
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  return { failed, close };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 3000);
  await exit;
  clearTimeout(timer);
}
