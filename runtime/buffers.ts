/**
 * @file A pool of GPU buffers. A returned buffer is reused for the next request of its size, so a warm training loop
 * allocates nothing.
 */
import { UserError } from "../compiler/graph/errors.ts";

const minimumBytes = 16;

/** Usage flags of buffers for arrays. A function, because browsers without WebGPU lack these names. */
export const storageUsage = () => GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;

export class BufferPool {
  readonly #device: GPUDevice;
  readonly #free = new Map<string, GPUBuffer[]>();
  readonly #ids = new WeakMap<GPUBuffer, number>();
  #next = 0;
  #bytes = 0;
  #count = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Bytes and number of all existing buffers, including those kept for reuse. */
  get allocated(): { readonly bytes: number; readonly buffers: number } {
    return { bytes: this.#bytes, buffers: this.#count };
  }

  /** A unique number of the buffer, for keys. */
  idOf(buffer: GPUBuffer): number {
    const known = this.#ids.get(buffer);
    if (known !== undefined) return known;
    this.#next += 1;
    this.#ids.set(buffer, this.#next);
    return this.#next;
  }

  /** Most bytes of one buffer. */
  get most(): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#device.limits;
    return Math.min(maxBufferSize, maxStorageBufferBindingSize);
  }

  take(bytes: number, usage: GPUBufferUsageFlags, label: string): GPUBuffer {
    const size = Math.max(minimumBytes, Math.ceil(bytes / 16) * 16);
    const limit = this.most;
    if (size > limit) {
      throw new UserError(
        `${label} needs ${megabytes(size)}; this adapter allows ${megabytes(limit)} in one buffer: lower the batch, the length or the units`,
      );
    }
    const known = this.#free.get(`${size} ${usage}`)?.pop();
    if (known !== undefined) return known;
    this.#bytes += size;
    this.#count += 1;
    return this.#device.createBuffer({ label, size, usage });
  }

  release(buffer: GPUBuffer): void {
    const key = `${buffer.size} ${buffer.usage}`;
    this.#free.set(key, [...(this.#free.get(key) ?? []), buffer]);
  }

  destroy(buffer: GPUBuffer): void {
    this.#bytes -= buffer.size;
    this.#count -= 1;
    buffer.destroy();
  }

  destroyFree(): void {
    for (const buffers of this.#free.values()) for (const buffer of buffers) this.destroy(buffer);
    this.#free.clear();
  }
}

export function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
