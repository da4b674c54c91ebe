/**
 * @file Firefox where it is installed, driven over WebDriver BiDi by puppeteer-core. That package is installed when it is
 * first needed, into scripts/firefox/: a machine without Firefox needs none of it.
 */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DrivenBrowser } from "../firefox/driven.ts";
import { patience } from "./patience.ts";

/** The preferences that give Firefox WebGPU on Linux, in pages and in their workers. */
export const webGpuPreferences = { "dom.webgpu.enabled": true, "gfx.webgpu.ignore-blocklist": true };

/** What is used of the package. */
interface Puppeteer {
  launch(options: Readonly<Record<string, unknown>>): Promise<LaunchedBrowser>;
}

interface LaunchedBrowser extends DrivenBrowser {
  version(): Promise<string>;
  close(): Promise<void>;
}

/** The program in the path or where its installer puts it; undefined where there is none. */
export function findFirefox(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const inPath = ["firefox", "firefox-esr", "firefox.exe"].flatMap((name) =>
    folders.map((folder) => join(folder, name)),
  );
  const elsewhere = [
    "/Applications/Firefox.app/Contents/MacOS/firefox",
    join(process.env.PROGRAMFILES ?? "C:\\Program Files", "Mozilla Firefox", "firefox.exe"),
  ];
  return [...inPath, ...elsewhere].find((file) => existsSync(file));
}

/** Loads the driver, after installing it where that was never done. @throws Error where npm cannot install it. */
export async function loadPuppeteer(root: string): Promise<Puppeteer> {
  const { installOnce } = await import(pathToFileURL(join(root, "scripts/install-once.mjs")).href);
  const folder = pathToFileURL(join(root, "scripts/firefox/"));
  if (installOnce(folder, "firefox", "what drives browsers") !== 0)
    throw new Error("puppeteer-core cannot be installed; see npm's message above");
  const file = new URL("node_modules/puppeteer-core/lib/esm/puppeteer/puppeteer-core.js", folder);
  const { default: puppeteer } = (await import(file.href)) as { default: Puppeteer };
  return puppeteer;
}

/** Starts Firefox with such preferences beside its own. */
export function launchFirefox(
  puppeteer: Puppeteer,
  executablePath: string,
  extraPrefsFirefox: Readonly<Record<string, boolean>> = {},
): Promise<LaunchedBrowser> {
  return puppeteer.launch({
    ...{ browser: "firefox", executablePath, extraPrefsFirefox },
    ...{ timeout: patience, protocolTimeout: patience },
  });
}
