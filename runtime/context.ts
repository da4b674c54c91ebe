/** @file One WebGPU device in use: its buffers, its faults, and reading back. */
import type { NdArray } from "../compiler/graph/ndarray.ts";
import { GpuArray, toDeviceWords } from "./arrays.ts";
import { BufferPool } from "./buffers.ts";
import { DeviceLostError } from "./device-errors.ts";
import { type DeviceChoice, type HostAdapter, requestDevice } from "./host.ts";

export interface CompileLimits {
  readonly target: "gpu" | "software";
  readonly maxStorageBuffers: number;
  readonly maxWorkgroupBytes: number;
  /** Lanes of a subgroup where all subgroups of the adapter have the same size. */
  readonly subgroupSize: number | undefined;
}

export class GpuContext {
  readonly device: GPUDevice;
  readonly host: HostAdapter;
  readonly pool: BufferPool;
  /** Resolves when the device is gone, with what to tell people. */
  readonly lost: Promise<DeviceLostError>;
  #loss: DeviceLostError | undefined;

  constructor(host: HostAdapter, device: GPUDevice) {
    this.host = host;
    this.device = device;
    this.pool = new BufferPool(device);
    this.lost = device.lost.then(({ reason, message }) => {
      this.#loss ??= new DeviceLostError(host.name, reason === "destroyed" ? "it was destroyed" : message || "unknown");
      return this.#loss;
    });
  }

  static async open(choice: DeviceChoice): Promise<GpuContext> {
    const { host, device } = await requestDevice(choice);
    return new GpuContext(host, device);
  }

  /** What the compiler may count on. */
  get compileLimits(): CompileLimits {
    const { maxStorageBuffersPerShaderStage, maxComputeWorkgroupStorageSize } = this.device.limits;
    const { subgroupMinSize, subgroupMaxSize } = this.host.adapter.info;
    const isFixed = this.device.features.has("subgroups") && subgroupMinSize === subgroupMaxSize;
    return {
      target: this.host.kind,
      maxStorageBuffers: maxStorageBuffersPerShaderStage,
      maxWorkgroupBytes: maxComputeWorkgroupStorageSize,
      subgroupSize: isFixed ? subgroupMinSize : undefined,
    };
  }

  /** Throws where the device is gone. */
  check(): void {
    if (this.#loss !== undefined) throw this.#loss;
  }

  /** What is behind an error: the loss of the device, where it is lost. Hosts report the two in any order. */
  async explain(error: unknown): Promise<Error> {
    const loss = this.#loss ?? (await Promise.race([this.lost, nextTask()]));
    return loss ?? (error instanceof Error ? error : new Error(String(error)));
  }

  upload(value: NdArray): GpuArray {
    this.check();
    const words = toDeviceWords(value);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = this.pool.take(words.byteLength, usage, "array");
    this.device.queue.writeBuffer(buffer, 0, words as Float32Array<ArrayBuffer>);
    return new GpuArray(this, buffer, value.dtype, value.shape);
  }

  async readBuffer(source: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    this.check();
    const staging = this.pool.take(bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST, "staging");
    const encoder = this.device.createCommandEncoder({ label: "read back" });
    encoder.copyBufferToBuffer(source, 0, staging, 0, Math.max(4, bytes));
    this.device.queue.submit([encoder.finish()]);
    return this.mapAndRelease(staging, bytes);
  }

  /** The contents of a staging buffer once the device has written them; gives the buffer back. */
  async mapAndRelease(staging: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    try {
      await this.host.wait(staging.mapAsync(GPUMapMode.READ));
      // In Deno it is here that a lost device shows.
      const copy = staging.getMappedRange().slice(0, bytes);
      staging.unmap();
      this.pool.giveBack(staging);
      return copy;
    } catch (error) {
      throw await this.explain(error);
    }
  }

  destroy(): void {
    this.#loss ??= new DeviceLostError(this.host.name, "it was destroyed");
    this.pool.destroyFree();
    this.device.destroy();
    this.host.release();
  }
}

function nextTask(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), 0));
}
