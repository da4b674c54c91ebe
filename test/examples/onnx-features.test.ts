/**
 * @file ONNX Runtime Web and cellgrad on one GPUDevice in one page: the example's page learns, and after all that, ONNX
 * Runtime has every buffer and hears every error that it had and heard without cellgrad.
 *
 * @module-tag slow
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser, newPage } from "../support/browser.ts";
import { bundle } from "../support/page.ts";

const examples = fileURLToPath(new URL("../../examples/", import.meta.url));
const runtime = dirname(createRequire(import.meta.url).resolve("onnxruntime-web/webgpu"));

/**
 * Watches WebGPU before any script runs: devices, buffers with whose they are, who destroys what, and errors. What ONNX
 * Runtime calls, it calls from its WebAssembly's script.
 */
function watch(): void {
  const isTheirs = () => (new Error().stack ?? "").includes("ort-wasm");
  const seen = {
    devices: [] as GPUDevice[],
    ends: 0,
    submits: { ours: 0, theirs: 0 },
    buffers: new Map<GPUBuffer, boolean>(),
    destroyedByOthers: 0,
    heard: [] as string[],
    /** Bytes that went from the host to the device or back, by calls that are not ONNX Runtime's. */
    moved: [] as number[],
    bytes: (theirs: boolean) =>
      [...seen.buffers].reduce((sum, [buffer, isOfThem]) => sum + (isOfThem === theirs ? buffer.size : 0), 0),
  };
  Object.assign(globalThis, { seen });
  // The same recordings each time.
  let state = 1;
  Math.random = () => {
    state = (state * 16807) % 2147483647;
    return state / 2147483647;
  };
  const wrapped = <T extends object, K extends keyof T>(of: T, name: K, around: (call: T[K]) => T[K]) => {
    of[name] = around(of[name]);
  };
  wrapped(
    GPUAdapter.prototype,
    "requestDevice",
    (call) =>
      async function (this: GPUAdapter, ...given) {
        const device = await call.apply(this, given);
        device.addEventListener("uncapturederror", ({ error }) => seen.heard.push(error.message));
        seen.devices.push(device);
        return device;
      },
  );
  wrapped(
    GPUDevice.prototype,
    "destroy",
    (call) =>
      function (this: GPUDevice) {
        seen.ends += 1;
        return call.apply(this);
      },
  );
  wrapped(
    GPUDevice.prototype,
    "createBuffer",
    (call) =>
      function (this: GPUDevice, ...given) {
        const buffer = call.apply(this, given);
        seen.buffers.set(buffer, isTheirs());
        return buffer;
      },
  );
  wrapped(
    GPUBuffer.prototype,
    "destroy",
    (call) =>
      function (this: GPUBuffer) {
        if (seen.buffers.has(this) && seen.buffers.get(this) !== isTheirs()) seen.destroyedByOthers += 1;
        seen.buffers.delete(this);
        return call.apply(this);
      },
  );
  wrapped(
    GPUQueue.prototype,
    "writeBuffer",
    (call) =>
      function (this: GPUQueue, ...given) {
        if (!isTheirs()) seen.moved.push(given[2].byteLength);
        return call.apply(this, given);
      },
  );
  wrapped(
    GPUBuffer.prototype,
    "mapAsync",
    (call) =>
      function (this: GPUBuffer, ...given) {
        if (!isTheirs()) seen.moved.push(this.size);
        return call.apply(this, given);
      },
  );
  wrapped(
    GPUQueue.prototype,
    "submit",
    (call) =>
      function (this: GPUQueue, ...given) {
        seen.submits[isTheirs() ? "theirs" : "ours"] += 1;
        return call.apply(this, given);
      },
  );
}

let browser: Browser;
let script: string;
beforeAll(async () => {
  [script, browser] = await Promise.all([
    bundle(join(examples, "onnx-features.mjs"), { external: ["onnxruntime-web/webgpu"] }),
    launchBrowser(),
  ]);
});
afterAll(() => browser?.close());

/** The example's page as a server of the clone would give it, with the sources in the place of the built package. */
async function open(html: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await newPage(browser);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.addInitScript(watch);
  await page.route("http://localhost/**", (route) => {
    const { pathname } = new URL(route.request().url());
    if (pathname === "/examples/onnx-features.html") return route.fulfill({ contentType: "text/html", body: html });
    if (pathname === "/examples/onnx-features.mjs")
      return route.fulfill({ contentType: "text/javascript", body: script });
    const file = join(runtime, pathname.replace("/node_modules/onnxruntime-web/dist/", ""));
    return pathname.startsWith("/node_modules/") ? route.fulfill({ path: file }) : route.fulfill({ status: 404 });
  });
  await page.goto("http://localhost/examples/onnx-features.html", { waitUntil: "load" });
  return { page, complaints };
}

const example = readFileSync(join(examples, "onnx-features.html"), "utf8");
/** The page without its own program. */
const bare = example.replace(/<script type="module">[\s\S]*<\/script>/, "");

test("the example's page learns on the GPU that both share", async () => {
  const { page, complaints } = await open(example.replaceAll('max="120"', 'max="60"'));
  const about = page.locator("#about");
  await about.filter({ hasNotText: /^Opening|: step \d/ }).waitFor();
  const [, before = "", after = ""] =
    /^SwiftShader .*before training (\d+) %, after it (\d+) %$/.exec((await about.textContent()) ?? "") ?? [];
  expect(Number(before)).toBeLessThan(70);
  expect(Number(after)).toBeGreaterThan(80);
  expect(complaints).toEqual([]);
  await page.close();
});

/** What a page of its own finds out; `opening` gives the device that both are opened on. */
const program = (opening: string) => `(async () => {
  const { learn, onFeatures, openBoth, recordings, sizes } = await import("/examples/onnx-features.mjs");
  const ort = await import("onnxruntime-web/webgpu");
  let state = 1;
  const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
  const both = await openBoth(${opening});
  const { device, gpuDevice, session, trainer } = both;
  const data = recordings(random);
  const wave = () => new ort.Tensor("float32", data.waves, [sizes.time * sizes.rows, sizes.samples]);
  const theirFeatures = async () => {
    const { power } = await session.run({ wave: wave() });
    const numbers = [...(await power.getData())];
    power.dispose();
    return numbers;
  };
  const makeError = () => gpuDevice.createShaderModule({ label: "error of the page", code: "none" });
  const settled = () => new Promise((resolve) => setTimeout(resolve, 50));

  const features = await theirFeatures();
  const wrapped = await onFeatures(both, data.waves, async (x) => [...(await x.read()).data]);
  const losses = [];
  for (let step = 0; step < 3; step++) losses.push(await learn(both, data));
  seen.moved = [];
  losses.push(await learn(both, data));
  const moved = seen.moved;

  // Errors of the page: within a step, in a scope of its own around one, and outside.
  const inStep = await onFeatures(both, data.waves, (x) => {
    const step = trainer.step({ x, targets: data.targets, fresh: true });
    makeError();
    return step;
  });
  await settled();
  const heardInStep = [...seen.heard];
  const inScope = await onFeatures(both, data.waves, async (x) => {
    gpuDevice.pushErrorScope("validation");
    const step = trainer.step({ x, targets: data.targets, fresh: true });
    makeError();
    const error = await gpuDevice.popErrorScope();
    await step;
    return error?.message;
  });
  const heardInScope = [...seen.heard];
  makeError();
  await settled();

  // One of ours is ours alone.
  const gone = gpuDevice.createBuffer({ size: 4 * sizes.time * sizes.rows * sizes.bins, usage: GPUBufferUsage.STORAGE });
  const x = device.wrap(gone, { shape: [sizes.time, sizes.rows, sizes.bins] });
  gone.destroy();
  const refused = await trainer.step({ x, targets: data.targets, fresh: true }).catch(({ message }) => message);
  const after = await learn(both, data);
  await settled();

  const bytes = [device.memory().bytes, seen.bytes(false)];
  const theirs = seen.bytes(true);
  const submits = { ...seen.submits };
  trainer.destroy();
  device.destroy();
  const left = [seen.bytes(false), seen.bytes(true)];
  const again = await theirFeatures();
  return {
    features, wrapped, losses, moved, inStep, heardInStep, inScope, heardInScope, refused, after, bytes, theirs, submits, left, again,
    heard: seen.heard, devices: seen.devices.length, ends: seen.ends, destroyedByOthers: seen.destroyedByOthers,
    storageBuffers: gpuDevice.limits.maxStorageBuffersPerShaderStage,
  };
})()`;

interface Found {
  readonly features: readonly number[];
  readonly wrapped: readonly number[];
  readonly again: readonly number[];
  readonly losses: readonly number[];
  readonly moved: readonly number[];
  readonly inStep: { readonly finite: boolean };
  readonly heardInStep: readonly string[];
  readonly inScope: string;
  readonly heardInScope: readonly string[];
  readonly heard: readonly string[];
  readonly refused: string;
  readonly after: number;
  readonly bytes: readonly [ours: number, counted: number];
  readonly theirs: number;
  readonly submits: { readonly ours: number; readonly theirs: number };
  readonly left: readonly [ours: number, theirs: number];
  readonly devices: number;
  readonly ends: number;
  readonly destroyedByOthers: number;
  readonly storageBuffers: number;
}

test.each([
  ["that ONNX Runtime has opened", "", 10],
  ["that the page has opened, with default limits", "await (await navigator.gpu.requestAdapter()).requestDevice()", 8],
])("on a device %s, nothing of theirs is copied, freed or silenced", async (_, opening, storageBuffers) => {
  const { page, complaints } = await open(bare);
  const found = (await page.evaluate(program(opening))) as Found;
  expect([found.devices, found.storageBuffers]).toEqual([1, storageBuffers]);
  // The features are ONNX Runtime's to the bit, and they are no noise.
  expect(found.wrapped).toEqual(found.features);
  expect(found.features).toHaveLength(12 * 16 * 16);
  expect(Math.max(...found.features) - Math.min(...found.features)).toBeGreaterThan(2);
  expect(found.losses.at(-1)).toBeLessThan(found.losses[0] ?? 0);
  // No trip through the host: all that a step writes or reads there is smaller than the features.
  expect(found.moved.length).toBeGreaterThan(0);
  expect(Math.max(...found.moved)).toBeLessThan(4 * found.features.length);
  expect([found.submits.ours > 5, found.submits.theirs > 5]).toEqual([true, true]);

  const error = expect.stringContaining("error of the page");
  expect(found.inStep.finite).toBe(true);
  expect(found.heardInStep).toEqual([error]);
  expect(found.inScope).toEqual(error);
  expect(found.heardInScope).toEqual([error]);
  expect(found.heard).toEqual([error, error]);
  expect(found.refused).toMatch(/^trainingStep: the GPUBuffer of input x cannot be used \([^\n]+\); its owner must/);
  expect(found.after).toBeLessThan(found.losses[0] ?? 0);

  const [ours, counted] = found.bytes;
  expect(ours).toBe(counted);
  expect(ours).toBeGreaterThan(10_000);
  expect(found.theirs).toBeGreaterThan(10_000);
  expect(found.left).toEqual([0, found.theirs]);
  expect([found.ends, found.destroyedByOthers]).toEqual([0, 0]);
  expect(found.again).toEqual(found.features);
  expect(complaints).toEqual([]);
  await page.close();
});
