/** @file The playground as it is deployed: built once, and opened in a browser from a folder of some server. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { build } from "vite";
import { isolation } from "../../playground/isolation.ts";
import { newPage } from "./browser.ts";

const root = fileURLToPath(new URL("../../playground", import.meta.url));

/** Files by their path beside index.html. */
export type Site = ReadonlyMap<string, Buffer>;

export async function buildPlayground(): Promise<Site> {
  const outDir = await mkdtemp(join(tmpdir(), "cellgrad-playground-"));
  try {
    await build({ root, configFile: join(root, "vite.config.ts"), logLevel: "error", build: { outDir } });
    const entries = await readdir(outDir, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    return new Map(
      await Promise.all(files.map(async (file) => [relative(outDir, file), await readFile(file)] as const)),
    );
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
}

/** Pages of localhost count as secure and have WebGPU; others over http do not. */
export const withWebGpu = "http://localhost/somewhere/else/";
export const withoutWebGpu = "http://example.test/playground/";

export interface OpenedPage {
  readonly page: Page;
  /** What went wrong and nobody caught: errors of the page and of its workers, lines of its console that warn. */
  readonly complaints: readonly string[];
}

export interface OpenOptions extends BrowserContextOptions {
  readonly address?: string;
  readonly hash?: string;
  /** What `navigator.language` is, whether or not it is a language tag. */
  readonly language?: string;
}

export async function openPlayground(
  browser: Browser,
  site: Site,
  { address = withWebGpu, hash = "", language, ...context }: OpenOptions = {},
): Promise<OpenedPage> {
  // No locale: a page must work in whatever language its browser is started with.
  const page = await newPage(browser, { viewport: { width: 1280, height: 900 }, ...context });
  const complaints: string[] = [];
  page.on("pageerror", ({ message }) => complaints.push(message));
  page.on("console", (line) => {
    if (line.type() === "error" || line.type() === "warning") complaints.push(line.text());
  });
  await page.addInitScript(rememberWorkers);
  if (language !== undefined) {
    const getter = `{ get: () => ${JSON.stringify(language)}, configurable: true }`;
    await page.addInitScript(`Object.defineProperty(Navigator.prototype, "language", ${getter})`);
  }
  // Browsers warn where a page that is not secure asks for isolation.
  const headers = { ...anyOrigin, ...(address === withWebGpu && isolation) };
  await page.route(`${new URL(address).origin}/**`, (route) => {
    const path = new URL(route.request().url()).pathname.slice(new URL(address).pathname.length);
    const body = site.get(path === "" ? "index.html" : path);
    return body === undefined
      ? route.fulfill({ status: 404, body: "" })
      : route.fulfill({ contentType: types[extname(path)] ?? "text/html", body, headers });
  });
  await page.goto(`${address}${hash}`);
  return { page, complaints };
}

/** The server lets anybody read, so that what keeps a cell from it is the sandbox. */
const anyOrigin = { "access-control-allow-origin": "*" };

const types: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

/** Keeps hold of the worker that owns the device, and of what it is told, where tests can see them. */
const rememberWorkers = `{
  const told = [];
  const remembered = { told, device: undefined };
  Object.assign(globalThis, { remembered });
  const Known = Worker;
  globalThis.Worker = class extends Known {
    constructor(address, options) {
      super(address, options);
      if (options?.name === "device") remembered.device = this;
    }
    postMessage(message, ...rest) {
      told.push(JSON.stringify(message, (key, value) => (ArrayBuffer.isView(value) ? "bytes" : value)));
      super.postMessage(message, ...rest);
    }
  };
}`;

/** Sends the worker that owns the device a message behind the page's back. */
export async function tellWorker(page: Page, message: object): Promise<void> {
  await page.evaluate(`remembered.device.postMessage(${JSON.stringify(message)})`);
}

/** All that the page has told its workers, as JSON. */
export async function toldWorkers(page: Page): Promise<string> {
  return page.evaluate("remembered.told.join('\\n')");
}

/** Replaces the source in the editor. */
export async function writeSource(page: Page, source: string): Promise<void> {
  await page.getByLabel("Source of the cell").click();
  await page.keyboard.press("Control+A");
  await page.keyboard.insertText(source);
}

/** A figure of the first run in the table of runs. */
export async function figureOf(page: Page, column: "Step" | "Loss" | "Held-out"): Promise<number> {
  const place = { Step: 1, Loss: 2, "Held-out": 3 }[column];
  const text = await page.locator(".figures tbody tr:first-child td").nth(place).textContent();
  return Number((text ?? "").replaceAll(",", ""));
}
