/** @file An open WebGPU device: its buffers, error reports, and reads. */
import type { RegisterFile } from "../compiler/plan/lowering.ts";
import { BufferPool, megabytes } from "./buffers.ts";
import { DeviceLostError, DeviceMemoryError, DeviceTimeoutError } from "./device-errors.ts";
import { type ScopeErrors, withErrorScopes } from "./error-scopes.ts";
import { mapMode, stagingUsage, storageUsage } from "./gpu-flags.ts";
import { type AdapterChoice, type DeviceHost, type HostAdapter, requestDevice } from "./host.ts";
import { findNeighbours } from "./neighbours.ts";
import { registersOf } from "./registers.ts";
import { Waiting } from "./waiting.ts";
import type { DeviceWords } from "./words.ts";

export interface CompileLimits {
  readonly target: "gpu" | "software";
  readonly maxStorageBuffers: number;
  readonly maxWorkgroupBytes: number;
  /** Lanes of a subgroup if all subgroups of the adapter have the same size. */
  readonly subgroupSize: number | undefined;
  readonly maxInvocations: number;
  readonly clearsWorkgroups: boolean;
  readonly registers: RegisterFile | undefined;
  /** Invocations in a row that exchange values in their subgroup. */
  readonly neighbours: number;
}

export class GpuContext {
  readonly device: GPUDevice;
  readonly host: DeviceHost;
  readonly pool: BufferPool;
  /** Resolves when the device is lost, with an error for the user. */
  readonly lost: Promise<DeviceLostError>;
  readonly waiting: Waiting;
  /** Ends the device, if it is ours. */
  readonly #close: (() => void) | undefined;
  #loss: DeviceLostError | undefined;
  #neighbours: number;
  #tellLost: (loss: DeviceLostError) => void = () => {};

  /** A device of `host`. It is ours, to be destroyed with the context, if `host` is an adapter. */
  constructor(host: HostAdapter | DeviceHost, device: GPUDevice, timeout?: number, neighbours = 1) {
    this.#neighbours = neighbours;
    if ("release" in host)
      this.#close = () => {
        device.destroy();
        host.release();
      };
    this.waiting = new Waiting(host.name, timeout);
    this.host = host;
    this.device = device;
    this.pool = new BufferPool(device);
    this.lost = new Promise((resolve) => {
      this.#tellLost = resolve;
    });
    void device.lost.then((info) => this.#lose(reasonOf(info)));
  }

  static async open(choice: AdapterChoice, timeout?: number): Promise<GpuContext> {
    const { host, device } = await requestDevice(choice);
    return GpuContext.on(host, device, timeout);
  }

  /** On a device that is open already; `host` says whether it is ours. */
  static async on(host: DeviceHost, device: GPUDevice, timeout?: number): Promise<GpuContext> {
    const context = new GpuContext(host, device, timeout);
    // A software adapter keeps no weights in registers, so it need not be asked.
    if (host.kind === "software") return context;
    const found = findNeighbours(device, host.info.subgroupMinSize);
    context.#neighbours = await context.wait(found, "find neighbouring invocations").catch((error: unknown) => {
      context.destroy();
      throw error;
    });
    return context;
  }

  #lose(reason: string): void {
    this.#loss ??= new DeviceLostError(this.host.name, reason);
    this.#tellLost(this.#loss);
  }

  /** The device limits that the compiler relies on. */
  get compileLimits(): CompileLimits {
    const { limits } = this.device;
    const { subgroupMinSize, subgroupMaxSize } = this.host.info;
    const isFixed = this.device.features.has("subgroups") && subgroupMinSize === subgroupMaxSize;
    return {
      target: this.host.kind,
      maxStorageBuffers: limits.maxStorageBuffersPerShaderStage,
      maxWorkgroupBytes: limits.maxComputeWorkgroupStorageSize,
      subgroupSize: isFixed ? subgroupMinSize : undefined,
      maxInvocations: Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
      clearsWorkgroups: this.host.clearsWorkgroups,
      registers: registersOf(this.host.info),
      neighbours: this.#neighbours,
    };
  }

  /** Throws if the device is lost. */
  check(): void {
    if (this.#loss !== undefined) throw this.#loss;
  }

  /** The cause of an error: the loss of the device if it is lost. Hosts report the two in either order. */
  async explain(error: unknown): Promise<Error> {
    const loss = this.#loss ?? (await Promise.race([this.lost, nextMacrotask()]));
    return loss ?? (error instanceof Error ? error : new Error(String(error)));
  }

  /**
   * Awaits `work` of the device; `action` names it in the infinitive.
   *
   * @throws DeviceTimeoutError if the device has not answered within the timeout.
   */
  wait<T>(work: Promise<T>, action: string): Promise<T> {
    return this.waiting.for(this.host.wait(work), action);
  }

  /** A buffer with these words, and the outcome of creating it; error messages call it `action`. */
  bufferOf(
    words: DeviceWords,
    action: string,
  ): { readonly buffer: GPUBuffer; readonly outcome: Promise<Error | undefined> } {
    this.check();
    const { result: buffer, errors } = withErrorScopes(this.device, () => {
      const buffer = this.pool.take(words.byteLength, storageUsage, "array");
      this.write(buffer, words);
      return buffer;
    });
    return { buffer, outcome: this.#outcomeOf(errors, action, words.byteLength) };
  }

  /** Writes words to the start of a buffer, in the queue's order. */
  write(buffer: GPUBuffer, words: DeviceWords): void {
    // Deno 2.9 panics on an empty write.
    if (words.length > 0) this.device.queue.writeBuffer(buffer, 0, words);
  }

  async readBuffer(source: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    this.check();
    const { result: staging, errors } = withErrorScopes(this.device, () => {
      const buffer = this.pool.take(bytes, stagingUsage, "staging");
      const encoder = this.device.createCommandEncoder({ label: "read back" });
      encoder.copyBufferToBuffer(source, 0, buffer, 0, Math.max(4, bytes));
      this.device.queue.submit([encoder.finish()]);
      return buffer;
    });
    const outcome = this.#outcomeOf(errors, "an array that is read", bytes);
    return this.mapAndRelease(staging, bytes, "read an array", outcome);
  }

  /**
   * Returns the contents of a staging buffer once the device has finished the `action` that writes it, with this `outcome`;
   * releases the buffer.
   */
  async mapAndRelease(
    staging: GPUBuffer,
    bytes: number,
    action: string,
    outcome: Promise<Error | undefined>,
  ): Promise<ArrayBuffer> {
    // A buffer that could not be created cannot be mapped either; `outcome` has the reason, so the host need not print it.
    const { result: mapping, errors } = withErrorScopes(this.device, () => staging.mapAsync(mapMode.READ));
    errors.catch(() => {});
    let copy: ArrayBuffer;
    try {
      await this.wait(mapping, action);
      // Deno reports a lost device here.
      copy = staging.getMappedRange().slice(0, bytes);
      staging.unmap();
    } catch (error) {
      this.pool.destroy(staging);
      const reason = await this.explain(error);
      // A lost or silent device reports no outcome. Otherwise the outcome says why there is no buffer to map.
      const isGone = reason instanceof DeviceLostError || reason instanceof DeviceTimeoutError;
      throw (isGone ? undefined : await outcome) ?? reason;
    }
    this.pool.release(staging);
    const failure = await outcome;
    if (failure !== undefined) throw failure;
    return copy;
  }

  async #outcomeOf(errors: Promise<ScopeErrors>, action: string, bytes: number): Promise<Error | undefined> {
    // Rejects if the device is lost.
    const { shortage, invalid } = await errors.catch(() => ({ shortage: null, invalid: null }));
    if (shortage !== null) return new DeviceMemoryError(this.host.name, action, megabytes(bytes));
    return invalid === null ? undefined : new Error(`${action}: the device reports: ${invalid.message}`);
  }

  /** Frees all memory. The device itself is destroyed only if it is ours. */
  destroy(): void {
    this.#lose("it was destroyed");
    if (this.#close === undefined) this.pool.destroyAll();
    else {
      this.pool.destroyFree();
      this.#close();
    }
  }
}

/** Why a device was lost, in words. */
export function reasonOf({ reason, message }: GPUDeviceLostInfo): string {
  return reason === "destroyed" ? "it was destroyed" : message || "unknown";
}

function nextMacrotask(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), 0));
}
