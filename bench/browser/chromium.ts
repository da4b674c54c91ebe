/** @file Starts the packaged Chromium on a page, without a driver attached, so that only the page is timed. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noWorkgroupInit, type UnpackedChromium, webGpuFlags } from "../../test/support/chromium.ts";

/** Usual flags of automated browsers; none affects WebGPU. */
const automationFlags = ["--no-first-run", "--disable-dev-shm-usage", "--remote-debugging-port=0"];

export function flagsFor(workgroupInit: boolean): string[] {
  return workgroupInit ? [...webGpuFlags] : [...webGpuFlags, noWorkgroupInit];
}

export interface Browser {
  /** Rejects if the browser exits by itself. */
  readonly failed: Promise<never>;
  readonly close: () => Promise<void>;
}

/** Opens a page in a browser with a fresh profile, so that the shader cache is cold. */
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
