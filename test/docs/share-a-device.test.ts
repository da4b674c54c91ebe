/** @file The block of the page about sharing a GPU runs, on a GPUDevice and buffers that are not cellgrad's. */
import { expect, test } from "vitest";
import * as networks from "../../entries/networks.ts";
import * as cellgrad from "../../index.ts";
import { doubleOwn, ownBuffer, ownedDevice, readOwn } from "../support/owned-device.ts";
import { slow } from "../support/some-of.ts";
import { blocks, page } from "./pages.ts";

test("the block trains on another library's buffer, and runs between passes of the page", slow, async () => {
  const [block = ""] = blocks(page("docs/guide/share-a-device.md"), "js");
  const { device: gpuDevice, heard, ends } = await ownedDevice();
  const features = ownBuffer(
    gpuDevice,
    Float32Array.from({ length: 12 * 16 * 16 }, (_, i) => Math.sin(i)),
  );
  const samples = ownBuffer(
    gpuDevice,
    Float32Array.from({ length: 64 }, (_, i) => i),
  );
  let disposed = 0;
  const given = {
    ...{ ...cellgrad, ...networks },
    ort: { env: { webgpu: { device: Promise.resolve(gpuDevice) } } },
    session: { run: async () => ({ power: { gpuBuffer: features, dispose: () => disposed++ } }) },
    wave: undefined,
    targets: cellgrad.ndarray([12, 16], Array(12 * 16).fill(1), "i32"),
    ownBuffer: samples,
    passesBefore: (encoder: GPUCommandEncoder) => doubleOwn(gpuDevice, encoder, samples),
    passesAfter: (encoder: GPUCommandEncoder, buffer: GPUBuffer) => doubleOwn(gpuDevice, encoder, buffer),
  };
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
  const body = `{ ${block.replace(/^import .*$/gm, "")}\nreturn { loss, louder, device }; }`;
  const run = new AsyncFunction(...Object.keys(given), body);
  const { loss, louder, device } = (await run(...Object.values(given))) as {
    loss: number;
    louder: cellgrad.DeviceArray;
    device: cellgrad.Device;
  };
  expect(loss).toBeGreaterThan(0);
  expect(disposed).toBe(1);
  expect([...(await louder.read()).data]).toEqual([...Array(64).keys()].map((i) => 8 * i));
  device.destroy();
  expect((await readOwn(gpuDevice, samples, 64))[63]).toBe(126);
  expect([heard, ends()]).toEqual([[], 0]);
  gpuDevice.destroy();
});
