/** @file Which device `openDevice` opens: a graphics card or the CPU for "auto", and never a substitute for another choice. */
import { expect, test, vi } from "vitest";
import { DeviceUnavailableError, openDevice } from "../../index.ts";
import { requestAdapter } from "../../runtime/host.ts";

const card = await requestAdapter("gpu").catch(() => undefined);
card?.release();

test("auto is a graphics card if there is one, otherwise the CPU, never software WebGPU", async () => {
  const device = await openDevice();
  expect(device.kind).toBe(card === undefined ? "cpu" : "gpu");
  device.destroy();
  const threaded = await openDevice({ threads: 1 });
  if (card === undefined) expect(threaded.name).toBe("WebAssembly SIMD, 1 thread");
  threaded.destroy();
});

test.each(["cpu", "software", "interpreter"] as const)("%s opens that device", async (device) => {
  const opened = await openDevice({ device });
  expect(opened.kind).toBe(device);
  opened.destroy();
});

test("gpu is an error if there is none, although there is a CPU", async () => {
  if (card !== undefined) return expect((await openDevice({ device: "gpu" })).kind).toBe("gpu");
  const refused = await openDevice({ device: "gpu" }).catch((error) => error);
  expect(refused).toBeInstanceOf(DeviceUnavailableError);
  expect(refused.message).toMatch(/^(No graphics card was found|The only adapter is)[^\n]*or use the CPU \("cpu"\)\.$/);
});

test("a policy that forbids compiling WebAssembly gives one clear error", async () => {
  const compile = vi.spyOn(WebAssembly, "compile").mockRejectedValueOnce(new WebAssembly.CompileError("a policy"));
  const refused = await openDevice({ device: "cpu" }).catch((error) => error);
  compile.mockRestore();
  expect(refused).toBeInstanceOf(DeviceUnavailableError);
  expect(refused.message).toContain('"wasm-unsafe-eval"');
});
