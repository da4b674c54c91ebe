/** @file A page of one script in a browser, with no server: what it asks for is answered by the test. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build, type Plugin } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { newPage } from "./browser.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * The text of a script with all that it imports but what is external, for a page unless the options say otherwise;
 * "cellgrad" is the source of this clone.
 */
export async function bundle(
  entry: string,
  options: Pick<BuildOptions, "external" | "packages" | "platform"> = {},
): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    plugins: [sourceOfCellgrad],
    write: false,
    ...options,
  });
  return outputFiles.map(({ text }) => text).join("");
}

/** What `deno.json` and Vitest's settings say to others. */
const sourceOfCellgrad: Plugin = {
  name: "source of cellgrad",
  setup: ({ onResolve }) => {
    onResolve({ filter: /^cellgrad(\/|$)/ }, ({ path }) => ({
      path: join(root, path === "cellgrad" ? "index.ts" : `entries/${path.slice("cellgrad/".length)}.ts`),
      sideEffects: false,
    }));
  },
};

export interface PageOptions {
  /** Pages of localhost (the default) count as secure and have WebGPU; others, such as http://example.test/, do not. */
  readonly address?: string;
  /** What the page may fetch, by name. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
  /** Headers of all that the page fetches, such as a policy. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A page that runs one script, /page.js. */
export async function openPage(browser: Browser, script: string, options: PageOptions = {}): Promise<Page> {
  const { address = "http://localhost/", files = {}, headers = {} } = options;
  const page = await newPage(browser);
  const html = '<!doctype html><meta charset="utf-8"><title>test</title><script type="module" src="/page.js"></script>';
  await page.route(`${address}**`, (route) => {
    const name = new URL(route.request().url()).pathname.slice(1);
    const file = files[name];
    if (file !== undefined) return route.fulfill({ headers, body: Buffer.from(file) });
    return name === "page.js"
      ? route.fulfill({ headers: { ...headers, "content-type": "text/javascript" }, body: script })
      : route.fulfill({ headers: { ...headers, "content-type": "text/html" }, body: html });
  });
  await page.goto(address, { waitUntil: "load" });
  return page;
}

/** A page of a folder of built files, as a web server would serve it. */
export async function openFolder(browser: Browser, folder: string): Promise<Page> {
  const page = await newPage(browser);
  await page.route("http://localhost/**", (route) => {
    const { pathname } = new URL(route.request().url());
    return route.fulfill({ path: join(folder, pathname === "/" ? "index.html" : pathname) });
  });
  await page.goto("http://localhost/", { waitUntil: "load" });
  return page;
}
