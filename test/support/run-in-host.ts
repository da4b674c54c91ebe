/** @file A job performed in a host: a process of Node or Deno, or a page of headless Chromium. What it prints is passed on. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { HostName } from "../fuzz/protocol.ts";
import { launchBrowser } from "./browser.ts";
import { denoProgram } from "./deno.ts";
import { bundle, openPage } from "./page.ts";

export interface HostPrograms {
  /** File of what runs in a process; the job as JSON is its argument. */
  readonly process: string;
  /** File of what runs in a page, which gives the page's global object a `performJob`. */
  readonly page: string;
}

/** Beside the packages that programs import. */
const cache = fileURLToPath(new URL("../../node_modules/.cache/cellgrad/programs", import.meta.url));

/** Performs a job. Rejects where the host ends before it is done. */
export function runInHost(
  host: HostName,
  programs: HostPrograms,
  job: unknown,
  hear: (line: string) => void,
): Promise<void> {
  if (host === "chromium") return inPage(programs.page, job, hear);
  if (host === "node") return inNode(programs.process, job, hear);
  return inProcess([denoProgram, "run", "-A", "--no-remote", programs.process, JSON.stringify(job)], hear);
}

/** Node reads no TypeScript: it runs a bundle, which begins sooner than a file whose imports are translated one by one. */
async function inNode(file: string, job: unknown, hear: (line: string) => void): Promise<void> {
  const text = await bundle(file, { platform: "node", packages: "external" });
  await mkdir(dirname(cache), { recursive: true });
  const folder = await mkdtemp(cache);
  try {
    await writeFile(join(folder, "program.mjs"), text);
    await inProcess([join(folder, "program.mjs"), JSON.stringify(job)], hear);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Standard error is kept for the message, but not all of it. */
const keptOfErrors = 2000;

function inProcess(args: readonly string[], hear: (line: string) => void): Promise<void> {
  const env = { ...process.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const end = () => child.kill();
  process.once("exit", end);
  let errors = "";
  child.stderr.on("data", (text: Buffer) => {
    errors = `${errors}${text}`.slice(-keptOfErrors);
  });
  createInterface({ input: child.stdout }).on("line", hear);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.off("exit", end);
      if (code === 0) resolve();
      else reject(new Error(`the process ended with ${signal ?? `code ${code}`}${errors && `: ${errors.trim()}`}`));
    });
  });
}

async function inPage(file: string, job: unknown, hear: (line: string) => void): Promise<void> {
  const browser = await launchBrowser();
  try {
    const opened = await openPage(browser, await bundle(file));
    opened.on("console", (message) => hear(message.text()));
    const crash = new Promise<never>((_, reject) => opened.on("crash", () => reject(new Error("the page crashed"))));
    const done = opened.evaluate(
      (given) => (globalThis as typeof globalThis & { performJob: (job: unknown) => Promise<void> }).performJob(given),
      job,
    );
    await Promise.race([done, crash]);
  } finally {
    await browser.close();
  }
}
