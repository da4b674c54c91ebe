/**
 * @file A pool of GPU buffers. A returned buffer is reused for the next request of its size, so a warm training loop
 * allocates nothing.
 */
import { UserError } from "../compiler/graph/errors.ts";

const minimumBytes = 16;

export class BufferPool {
  readonly #device: GPUDevice;
  readonly #free = new Map<string, GPUBuffer[]>();
  readonly #ids = new WeakMap<GPUBuffer, number>();
  #next = 0;
  /** The buffers that the pool has created and not destroyed. Unreferenced ones may be collected. */
  readonly #own = new WeakMap<GPUBuffer, WeakRef<GPUBuffer>>();
  readonly #all = new Set<WeakRef<GPUBuffer>>();
  #bytes = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Bytes and number of all existing buffers, including those kept for reuse. */
  get allocated(): { readonly bytes: number; readonly buffers: number } {
    return { bytes: this.#bytes, buffers: this.#all.size };
  }

  /** Whether the pool has created the buffer, and not destroyed it. */
  has(buffer: GPUBuffer): boolean {
    return this.#own.has(buffer);
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
    const buffer = this.#device.createBuffer({ label, size, usage });
    const reference = new WeakRef(buffer);
    this.#own.set(buffer, reference);
    this.#all.add(reference);
    this.#bytes += size;
    return buffer;
  }

  /** Keeps a buffer for reuse. One that the pool has not created has another owner, and is left alone. */
  release(buffer: GPUBuffer): void {
    if (!this.has(buffer)) return;
    const key = `${buffer.size} ${buffer.usage}`;
    this.#free.set(key, [...(this.#free.get(key) ?? []), buffer]);
  }

  /** Destroys a buffer if the pool has created it. */
  destroy(buffer: GPUBuffer): void {
    const reference = this.#own.get(buffer);
    if (reference === undefined) return;
    this.#own.delete(buffer);
    this.#all.delete(reference);
    this.#bytes -= buffer.size;
    buffer.destroy();
  }

  destroyFree(): void {
    for (const buffers of this.#free.values()) for (const buffer of buffers) this.destroy(buffer);
    this.#free.clear();
  }

  /** Destroys all buffers, those in use too. */
  destroyAll(): void {
    for (const reference of this.#all) {
      const buffer = reference.deref();
      if (buffer !== undefined) this.destroy(buffer);
    }
    this.#free.clear();
  }
}

export function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
