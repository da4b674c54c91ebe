/** @file Starts the packaged Chromium on a page, without anything that watches it: what is timed is the page alone. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noWorkgroupInit, type UnpackedChromium, webGpuFlags } from "../../test/support/chromium.ts";

/** What any automated browser is started with; none of them touches WebGPU. */
const automationFlags = ["--no-first-run", "--disable-dev-shm-usage", "--remote-debugging-port=0"];

export function flagsFor(workgroupInit: boolean): string[] {
  return workgroupInit ? [...webGpuFlags] : [...webGpuFlags, noWorkgroupInit];
}

export interface Browser {
  /** Rejects where the browser ends by itself. */
  readonly failed: Promise<never>;
  readonly close: () => Promise<void>;
}

/** Opens a page in a browser with a profile of its own, so that no cache of shaders is warm. */
export async function openBrowser(chromium: UnpackedChromium, url: string, flags: readonly string[]): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), "cellgrad-bench-"));
  const child = spawn(chromium.executable, [...flags, ...automationFlags, `--user-data-dir=${profile}`, url], {
    env: chromium.env,
    stdio: ["ignore", "ignore", "pipe"],
  });
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
