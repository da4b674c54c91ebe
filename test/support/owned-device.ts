/** @file A GPUDevice as a page or another library has it: opened without cellgrad, with WebGPU's default limits. */
import { requestAdapter } from "../../runtime/host.ts";

export interface OwnedDevice {
  readonly device: GPUDevice;
  /** The buffers that exist, made by anybody, with their bytes. */
  readonly buffers: ReadonlyMap<GPUBuffer, number>;
  /** Messages of errors that reached the owner's handler. */
  readonly heard: readonly string[];
  /** How often the device was destroyed. */
  readonly ends: () => number;
}

/** Opens a device on a software adapter and watches it. */
export async function ownedDevice(descriptor?: GPUDeviceDescriptor): Promise<OwnedDevice> {
  const host = await requestAdapter("software");
  return watched(await host.adapter.requestDevice(descriptor));
}

/** Counts what is made on a device. Calls from anywhere are seen, since the device itself is changed. */
export function watched(device: GPUDevice): OwnedDevice {
  const buffers = new Map<GPUBuffer, number>();
  const heard: string[] = [];
  let ends = 0;
  device.addEventListener("uncapturederror", (event) => {
    heard.push(event.error.message);
    event.preventDefault();
  });
  const [create, end] = [device.createBuffer.bind(device), device.destroy.bind(device)];
  device.createBuffer = (wanted) => {
    const buffer = create(wanted);
    const free = buffer.destroy.bind(buffer);
    buffers.set(buffer, wanted.size);
    buffer.destroy = () => {
      buffers.delete(buffer);
      free();
      return undefined;
    };
    return buffer;
  };
  device.destroy = () => {
    ends += 1;
    end();
    return undefined;
  };
  return { device, buffers, heard, ends: () => ends };
}

export const bytesOf = (buffers: ReadonlyMap<GPUBuffer, number>) =>
  [...buffers.values()].reduce((sum, bytes) => sum + bytes, 0);

const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, STORAGE: 128 };

/** A buffer of the owner with these numbers. */
export function ownBuffer(device: GPUDevice, numbers: Float32Array<ArrayBuffer>, size = numbers.byteLength): GPUBuffer {
  const buffer = device.createBuffer({ label: "theirs", size, usage: STORAGE | COPY_SRC | COPY_DST });
  device.queue.writeBuffer(buffer, 0, numbers);
  return buffer;
}

/** The first numbers of a buffer, read by its owner. */
export async function readOwn(device: GPUDevice, buffer: GPUBuffer, count: number): Promise<number[]> {
  const staging = device.createBuffer({ size: 4 * count, usage: MAP_READ | COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, 4 * count);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const numbers = [...new Float32Array(staging.getMappedRange())];
  staging.destroy();
  return numbers;
}

const doubling = `
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&x)) { x[id.x] = 2.0 * x[id.x]; }
}`;

/** The owner's own kernel, encoded: it doubles all numbers of a buffer. */
export function doubleOwn(device: GPUDevice, encoder: GPUCommandEncoder, buffer: GPUBuffer): void {
  const module = device.createShaderModule({ code: doubling });
  const pipeline = device.createComputePipeline({ layout: "auto", compute: { module } });
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const entries = [{ binding: 0, resource: { buffer } }];
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(Math.ceil(buffer.size / 256));
  pass.end();
}

/** A call that breaks WebGPU's rules: an error of the owner. */
export function makeError(device: GPUDevice): void {
  device.createBuffer({ label: "error of the owner", size: 16, usage: MAP_READ | STORAGE });
}
