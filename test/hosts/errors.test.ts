/** @file A host without WebGPU, or without an adapter, gives a one-line error that says what to do. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "../support/browser.ts";
import { deno } from "../support/deno.ts";
import { bundle, openPage } from "../support/page.ts";
import { slow } from "../support/some-of.ts";
import type { page as hostPage } from "./page.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

let browser: Browser;
let script: string;

beforeAll(async () => {
  // As a browser is that blocks the graphics card: WebGPU is there, adapters are not.
  browser = await launchBrowser(["--no-sandbox", "--headless=new", "--disable-gpu"]);
  script = await bundle(here("page.ts"));
});

afterAll(() => browser.close());

function findAdapter(page: Page, choice: "auto" | "gpu" | "software"): Promise<string> {
  return page.evaluate((wanted) => (globalThis as unknown as typeof hostPage).findAdapter(wanted), choice);
}

test("a browser that offers no adapter", async () => {
  const page = await openPage(browser, script);
  const advice = "Update the graphics driver, and see chrome://gpu or about:support for the reason.";
  expect(await findAdapter(page, "auto")).toBe(
    `DeviceUnavailableError: WebGPU is available, but it offers no adapter. ${advice}`,
  );
  expect(await findAdapter(page, "gpu")).toBe(
    `DeviceUnavailableError: WebGPU is available, but it offers no graphics card. ${advice}`,
  );
  expect(await findAdapter(page, "software")).toBe(
    "DeviceUnavailableError: WebGPU is available, but it offers no software adapter. " +
      "Chrome has one when started with --enable-unsafe-webgpu --use-webgpu-adapter=swiftshader.",
  );
});

test("a page that is not secure", async () => {
  const page = await openPage(browser, script, { address: "http://example.test/" });
  expect(await findAdapter(page, "auto")).toBe(
    "DeviceUnavailableError: WebGPU is available only on secure pages. Serve this one over https or from localhost.",
  );
});

test("a browser without WebGPU", async () => {
  const page = await openPage(browser, `delete Object.getPrototypeOf(navigator).gpu;\n${script}`);
  expect(await findAdapter(page, "auto")).toBe(
    "DeviceUnavailableError: This browser has no WebGPU. " +
      "Use Chrome or Edge 113, Safari 26, Firefox 141, or anything newer.",
  );
});

test("Deno that may not load the software adapter", async () => {
  // Whatever the machine has, this Deno finds no driver by itself.
  const env = { DENO_WEBGPU_BACKEND: "vulkan", VK_DRIVER_FILES: "/none", VK_ICD_FILENAMES: "/none" };
  const output = await deno(["run", "--no-prompt", "--no-remote", here("deno.ts"), "adapter", "auto"], { env });
  expect(JSON.parse(output)).toBe(
    "DeviceUnavailableError: WebGPU is available, but it offers no adapter. " +
      "Install the graphics driver (on Linux: its Vulkan driver and libvulkan), " +
      "or start Deno with -A for the software adapter of the npm package @sparticuz/chromium.",
  );
});

test("Deno uses lavapipe if its manifest is installed, although there is another software adapter", slow, async () => {
  const folder = mkdtempSync(join(tmpdir(), "cellgrad-lavapipe-"));
  try {
    mkdirSync(join(folder, "vulkan/icd.d"), { recursive: true });
    // A driver that cannot be loaded: that there is no adapter then says that it was this one that was asked for.
    const manifest = {
      file_format_version: "1.0.0",
      ICD: { library_path: join(folder, "none.so"), api_version: "1.1.0" },
    };
    writeFileSync(join(folder, "vulkan/icd.d/lvp_icd.json"), JSON.stringify(manifest));
    const args = ["run", "-A", "--no-prompt", "--no-remote", here("deno.ts"), "adapter", "software"];
    const found = (places: string) => deno(args, { env: { DENO_WEBGPU_BACKEND: "vulkan", XDG_DATA_DIRS: places } });
    expect(JSON.parse(await found(folder))).toMatch(/^DeviceUnavailableError: WebGPU is available, but it offers no/);
    expect(JSON.parse(await found(join(folder, "none")))).toMatch(/^SwiftShader/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
