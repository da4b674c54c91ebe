/** @file Names of adapters, which of them are software, and which one a host with `navigator.gpu` returns. */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { requestAdapter, requestGpuDevice } from "../../runtime/host.ts";
import { hostAdapter } from "../../runtime/hosts/adapter.ts";
import { navigatorAdapter } from "../../runtime/hosts/navigator.ts";
import { whatever } from "../support/refused.ts";

type Info = Partial<GPUAdapterInfo>;

const nothing: Info = { vendor: "", architecture: "", device: "", description: "" };
const adapterOf = (info: Info): GPUAdapter => whatever({ info: { ...nothing, ...info } });

/** As hosts report them. */
test.each<[info: Info, kind: string, name: string]>([
  [
    { vendor: "nvidia", architecture: "ampere", description: "NVIDIA GeForce RTX 3060" },
    "gpu",
    "NVIDIA GeForce RTX 3060",
  ],
  [{ vendor: "nvidia", architecture: "ampere" }, "gpu", "nvidia ampere"],
  [{ vendor: "apple" }, "gpu", "apple"],
  [{ device: "Mali-G78" }, "gpu", "Mali-G78"],
  [{}, "gpu", "unnamed adapter"],
  [
    { vendor: "mesa", description: "llvmpipe (LLVM 15.0.6, 256 bits)" },
    "software",
    "llvmpipe (LLVM 15.0.6, 256 bits) (software)",
  ],
  [
    { vendor: "microsoft", description: "Microsoft Basic Render Driver" },
    "software",
    "Microsoft Basic Render Driver (software)",
  ],
  [{ vendor: "intel", description: "Warp speed", isFallbackAdapter: true }, "software", "Warp speed (software)"],
  [{ vendor: "google", architecture: "swiftshader" }, "software", "SwiftShader (software)"],
  [{ description: "SwiftShader Device (Subzero)" }, "software", "SwiftShader (software, subzero)"],
  [{ description: "SwiftShader Device (LLVM 16.0.6)" }, "software", "SwiftShader (software, llvm)"],
])("%o is called by its name", (info, kind, name) => {
  const host = hostAdapter(adapterOf(info));
  expect([host.kind, host.name]).toEqual([kind, name]);
});

test("workgroup memory is cleared by long code on SwiftShader in a browser", async () => {
  const clears = (description: string, isBrowser: boolean) =>
    hostAdapter(adapterOf({ description }), undefined, isBrowser).clearsWorkgroups;
  expect([clears("SwiftShader", true), clears("SwiftShader", false), clears("A card", true)]).toEqual([
    true,
    false,
    false,
  ]);
  const host = await requestAdapter("software");
  expect(host.clearsWorkgroups).toBe(false);
  host.release();
});

test("an adapter provides one device; the error of the second request says what to do", async () => {
  const host = await requestAdapter("software");
  await requestGpuDevice(host);
  const line = await requestGpuDevice(host).catch((error: Error) => `${error.name}: ${error.message}`);
  expect(line).toMatch(
    /^DeviceUnavailableError: SwiftShader \(.*\) provides no device \(.+\)\. Close other programs that use it, and try again\.$/,
  );
  host.release();
});

describe("navigator.gpu", () => {
  let software: GPUAdapter;
  beforeAll(async () => {
    software = (await requestAdapter("software")).adapter;
  });
  const card = adapterOf({ description: "A card" });
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");

  /** What the page's WebGPU offers: a card, a fallback for who asks for one. */
  function offer(normal: GPUAdapter | null, fallback: GPUAdapter | null): void {
    const requestAdapter = async ({ forceFallbackAdapter = false }: GPURequestAdapterOptions) =>
      forceFallbackAdapter ? fallback : normal;
    Object.defineProperty(globalThis, "navigator", { value: { gpu: { requestAdapter } }, configurable: true });
  }
  afterEach(() => {
    if (before === undefined) Reflect.deleteProperty(globalThis, "navigator");
    else Object.defineProperty(globalThis, "navigator", before);
  });
  const chosen = (choice: "auto" | "gpu" | "software") =>
    navigatorAdapter(choice).then(
      ({ adapter }) => adapter,
      (error: Error) => `${error.name}: ${error.message}`,
    );
  const advice = "Update the graphics driver, and see chrome://gpu or about:support for the reason.";

  test("with a card and a fallback: the card, unless software is requested", async () => {
    offer(card, software);
    expect([await chosen("auto"), await chosen("gpu"), await chosen("software")]).toEqual([card, card, software]);
  });

  test("SwiftShader clears workgroup memory by long code in a page, not in Deno", async () => {
    offer(null, adapterOf({ description: "SwiftShader" }));
    const clears = async () => (await navigatorAdapter("software")).clearsWorkgroups;
    const inPage = await clears();
    Object.defineProperty(globalThis, "Deno", { value: {}, configurable: true });
    const inDeno = await clears();
    Reflect.deleteProperty(globalThis, "Deno");
    expect([inPage, inDeno]).toEqual([true, false]);
  });

  test("with software as the normal adapter, as on servers", async () => {
    offer(software, null);
    expect([await chosen("auto"), await chosen("software")]).toEqual([software, software]);
    expect(await chosen("gpu")).toMatch(
      new RegExp(
        `^DeviceUnavailableError: The only adapter is SwiftShader \\(.*\\), not a graphics card\\. ${advice.replace(/[.:/]/g, "\\$&")}$`,
      ),
    );
  });

  test("with only a card: no software", async () => {
    offer(card, null);
    expect(await chosen("software")).toBe(
      "DeviceUnavailableError: WebGPU is available, but it offers no software adapter. " +
        "Chrome has one when started with --enable-unsafe-webgpu --use-webgpu-adapter=swiftshader.",
    );
  });

  test("with only a fallback, and with nothing", async () => {
    offer(null, software);
    expect(await chosen("auto")).toBe(software);
    offer(null, null);
    expect(await chosen("auto")).toBe(
      `DeviceUnavailableError: WebGPU is available, but it offers no adapter. ${advice}`,
    );
    expect(await chosen("gpu")).toBe(
      `DeviceUnavailableError: WebGPU is available, but it offers no graphics card. ${advice}`,
    );
  });

  test("if it exists, it has priority over Node's package", async () => {
    offer(card, null);
    expect((await requestAdapter("auto")).adapter).toBe(card);
  });
});
