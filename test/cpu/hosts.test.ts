/**
 * @file The CPU in Node, Deno and Chromium, with different page policies: the same bits everywhere.
 *
 * @module-tag slow
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build as esbuild } from "esbuild";
import type { Browser } from "playwright-core";
import { build as vite } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CpuOptions } from "../../runtime/cpu/context.ts";
import { launchBrowser } from "../support/browser.ts";
import { deno } from "../support/deno.ts";
import { bundle, openPage } from "../support/page.ts";
import { expected } from "./hand-made.ts";
import { bitsOf, type JobResult, numbers, work } from "./job.ts";

const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const jiti = join(dirname(createRequire(import.meta.url).resolve("jiti")), "jiti-cli.mjs");
const run = promisify(execFile);

/** Computed in JavaScript. */
const { y, pair } = expected(numbers(20_000, 1), numbers(20_000, 2), 5);
const bits = [bitsOf(y), bitsOf(pair), bitsOf(pair.slice(20_000, 20_004))];
const result = (place: string, isShared: boolean): JobResult => ({
  name: `WebAssembly SIMD, ${place}`,
  isShared,
  bits,
});

const inNode = async (file: string, options: CpuOptions, runner = [jiti]) =>
  JSON.parse((await run(process.execPath, [...runner, file, JSON.stringify(options)])).stdout) as JobResult;

test("in the test process", async () => {
  expect(await work({ threads: 2 })).toEqual(result("2 threads", true));
});

test.each([1, 2])("Node, which ends although the device was not destroyed: %i", async (threads) => {
  const place = threads === 1 ? "1 thread" : `${threads} threads`;
  expect(await inNode(fileOf("process.ts"), { threads })).toEqual(result(place, threads > 1));
});

test.each([1, 2])("Deno, which ends too: %i", async (threads) => {
  const place = threads === 1 ? "1 thread" : `${threads} threads`;
  const output = await deno(["run", "-A", "--no-remote", fileOf("process.ts"), JSON.stringify({ threads })]);
  expect(JSON.parse(output)).toEqual(result(place, threads > 1));
});

test.runIf(existsSync("/proc/self/task"))("sleeping threads end with their devices", async () => {
  const [node, other] = await Promise.all([
    run(process.execPath, [jiti, fileOf("endings.ts")]).then(({ stdout }) => Number(stdout)),
    deno(["run", "-A", "--no-remote", fileOf("endings.ts")]).then(Number),
  ]);
  // Of 12 followers.
  expect(node).toBeLessThan(4);
  expect(other).toBeLessThan(4);
});

describe("the engine works in bundles of", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "cellgrad-engine-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each([
    ["minified", { minify: true }],
    ["with names kept", { keepNames: true, minify: true }],
    ["for engines of 2020", { target: "es2020", minify: true }],
  ])("esbuild, %s", async (name, options) => {
    const file = join(folder, `${name}.mjs`);
    await esbuild({
      entryPoints: [fileOf("process.ts")],
      ...{ bundle: true, format: "esm", platform: "node", target: "es2022", outfile: file },
      ...options,
    });
    expect(await inNode(file, { threads: 2 }, [])).toEqual(result("2 threads", true));
  });

  test("Vite", async () => {
    await vite({
      configFile: false,
      logLevel: "error",
      build: {
        ssr: fileOf("process.ts"),
        minify: true,
        outDir: folder,
        emptyOutDir: false,
        rollupOptions: { output: { entryFileNames: "vite.mjs" } },
      },
    });
    expect(await inNode(join(folder, "vite.mjs"), { threads: 2 }, [])).toEqual(result("2 threads", true));
  });
});

describe("a page", () => {
  let browser: Browser;
  let script: string;
  beforeAll(async () => {
    browser = await launchBrowser([]);
    script = await bundle(fileOf("page.ts"));
  });
  afterAll(() => browser.close());

  test.each<[string, Record<string, string>, JobResult]>([
    [
      "cross-origin isolated: threads",
      { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" },
      result("2 threads", true),
    ],
    ["not isolated: one worker", {}, result("1 thread", false)],
    [
      "whose policy forbids generated workers: its main thread",
      { "content-security-policy": "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'" },
      result("the caller's thread", false),
    ],
  ])("%s", async (_, headers, expected) => {
    const page = await openPage(browser, script, { headers });
    await page.waitForFunction("globalThis.work !== undefined");
    expect(await page.evaluate("globalThis.work({ threads: 2 })")).toEqual(expected);
    await page.close();
  });

  test("whose policy forbids WebAssembly: the error says so", async () => {
    const headers = { "content-security-policy": "script-src 'self'" };
    const page = await openPage(browser, script, { headers });
    await page.waitForFunction("globalThis.work !== undefined");
    const line = await page.evaluate("globalThis.open().catch((error) => error.name + ': ' + error.message)");
    expect(line).toMatch(/^DeviceUnavailableError: .*the page's policy forbids it.*allow "wasm-unsafe-eval"/);
    await page.close();
  });
});
