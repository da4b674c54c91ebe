/** @file Drivers of the hosts: each starts one, gives it a task, and passes on the events that it prints. */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { launchBrowser } from "../support/browser.ts";
import { denoProgram } from "../support/deno.ts";
import { bundle, openPage } from "../support/page.ts";
import type { page } from "./page.ts";
import { eventIn, type HostName, type Task, type Tell } from "./protocol.ts";

/** Performs a task. Rejects where the host ends before it is done. */
type Driver = (task: Task, tell: Tell) => Promise<void>;

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const jiti = join(dirname(createRequire(import.meta.url).resolve("jiti")), "jiti-cli.mjs");

export const drivers: Readonly<Record<HostName, Driver>> = {
  node: (task, tell) => inProcess([jiti, here("process.ts")], task, tell),
  deno: (task, tell) => inProcess([denoProgram, "run", "-A", "--no-remote", here("process.ts")], task, tell),
  chromium: inPage,
};

/** Standard error is kept for the message, but not all of it. */
const keptOfErrors = 2000;

function inProcess(args: readonly string[], task: Task, tell: Tell): Promise<void> {
  const env = { ...process.env, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  const child = spawn(process.execPath, [...args, JSON.stringify(task)], { env, stdio: ["ignore", "pipe", "pipe"] });
  const end = () => child.kill();
  process.once("exit", end);
  let errors = "";
  child.stderr.on("data", (text: Buffer) => {
    errors = `${errors}${text}`.slice(-keptOfErrors);
  });
  createInterface({ input: child.stdout }).on("line", (line) => pass(line, tell));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.off("exit", end);
      if (code === 0) resolve();
      else reject(new Error(`the process ended with ${signal ?? `code ${code}`}${errors && `: ${errors.trim()}`}`));
    });
  });
}

async function inPage(task: Task, tell: Tell): Promise<void> {
  const browser = await launchBrowser();
  try {
    const opened = await openPage(browser, await bundle(here("page.ts")));
    opened.on("console", (message) => pass(message.text(), tell));
    const crash = new Promise<never>((_, reject) => opened.on("crash", () => reject(new Error("the page crashed"))));
    const done = opened.evaluate((given) => (globalThis as unknown as typeof page).performTask(given), task);
    await Promise.race([done, crash]);
  } finally {
    await browser.close();
  }
}

function pass(line: string, tell: Tell): void {
  const event = eventIn(line);
  if (event !== undefined) tell(event);
}
