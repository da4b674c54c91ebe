/** @file Hosts of devices, in the Node that runs the tests. Machines without a graphics card use SwiftShader. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { DeviceUnavailableError, type HostAdapter, requestAdapter, requestGpuDevice } from "../../runtime/host.ts";
import { readTar } from "../../runtime/hosts/ustar.ts";

let software: HostAdapter;

beforeAll(async () => {
  software = await requestAdapter("software");
});

afterAll(() => software.release());

test("the software adapter is found without environment variables", () => {
  expect(software.kind).toBe("software");
  expect(software.name).toMatch(/software/);
});

test("a kernel doubles numbers on the software adapter", async () => {
  const device = await requestGpuDevice(software);
  const input = Float32Array.from({ length: 1000 }, (_, i) => i / 8);
  const doubled = await double(device, input);
  expect(doubled).toEqual(input.map((x) => 2 * x));
  expect(device.limits.maxStorageBuffersPerShaderStage).toBe(software.adapter.limits.maxStorageBuffersPerShaderStage);
});

test("searching for an adapter leaves the environment unchanged", async () => {
  const before = { ...process.env };
  await Promise.all([requestAdapter("software"), requestAdapter("auto")]);
  expect({ ...process.env }).toEqual(before);
});

test("a machine without a graphics card says so", async () => {
  const found = await requestAdapter("auto");
  if (found.kind === "gpu") {
    expect((await requestAdapter("gpu")).kind).toBe("gpu");
    return;
  }
  await expect(requestAdapter("gpu")).rejects.toThrow(DeviceUnavailableError);
  await expect(requestAdapter("gpu")).rejects.toThrow(/graphics card.*Install/);
});

test("release destroys the devices of its adapter", async () => {
  const host = await requestAdapter("software");
  const device = await requestGpuDevice(host);
  host.release();
  expect((await device.lost).reason).toBe("destroyed");
});

test("a damaged archive is an error, not a truncated driver", () => {
  const header = new Uint8Array(512);
  header.set(new TextEncoder().encode("libvulkan.so.1"));
  header.set(new TextEncoder().encode("00000002000\0"), 124);
  expect(() => readTar(header)).toThrow("damaged tar archive");
});

const KERNEL = `
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&x)) { x[id.x] = 2.0 * x[id.x]; }
}`;

async function double(device: GPUDevice, input: Float32Array<ArrayBuffer>): Promise<Float32Array> {
  const size = input.byteLength;
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const buffer = device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
  const staging = device.createBuffer({ size, usage: MAP_READ | COPY_DST });
  device.queue.writeBuffer(buffer, 0, input);

  const module = device.createShaderModule({ code: KERNEL });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const entries = [{ binding: 0, resource: { buffer } }];
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(Math.ceil(input.length / 64));
  pass.end();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, size);
  device.queue.submit([encoder.finish()]);

  await staging.mapAsync(GPUMapMode.READ);
  return new Float32Array(staging.getMappedRange().slice(0));
}
