/**
 * @file Arrays over buffers of another owner: checked, never copied, and never freed. What needs more than a binding,
 * such as reading, depends on the usage that the owner has given them.
 */
import { expectArgument, inWords, messageOf, oneLine, UserError } from "../compiler/graph/errors.ts";
import type { DType } from "../compiler/graph/graph.ts";
import { sizeOfNumbers } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { storages } from "../compiler/graph/storage.ts";
import { GpuArray } from "./arrays.ts";
import { megabytes } from "./buffers.ts";
import type { GpuContext } from "./context.ts";
import type { WrapOptions } from "./device-array.ts";
import { withErrorScopes } from "./error-scopes.ts";
import { bufferUsage, shaderStage } from "./gpu-flags.ts";

const ofDType = { f32: 1, i32: 1, u32: 1, bool: 1 } as const;

/** An array over the beginning of a buffer. Whether the device can use it is known later: runs and reads reject if not. */
export function wrapBuffer(context: GpuContext, given: unknown, options: WrapOptions): GpuArray {
  context.check();
  const { shape, dtype = "f32" } = checkedOptions("wrap", options, { shape: "list", dtype: ofDType });
  const buffer = checkedBuffer(given);
  if (context.pool.has(buffer))
    throw new UserError("wrap: the buffer is that of an array of this device; use the array");
  checkSize(context, buffer, shape, dtype);
  return new GpuArray(context, buffer, dtype, [...shape], bindingFault(context, buffer));
}

function checkedBuffer(given: unknown): GPUBuffer {
  const buffer = given as GPUBuffer;
  const isBuffer =
    typeof given === "object" && given !== null && ["size", "usage", "mapAsync"].every((name) => name in given);
  expectArgument(isBuffer, "wrap: the buffer", given, "a GPUBuffer");
  if ((buffer.usage & bufferUsage.STORAGE) === 0)
    throw new UserError("wrap: the buffer has no usage STORAGE; its owner must create it with GPUBufferUsage.STORAGE");
  if (buffer.mapState !== undefined && buffer.mapState !== "unmapped")
    throw new UserError("wrap: the buffer is mapped; unmap it first");
  return buffer;
}

function checkSize(
  { pool }: GpuContext,
  { size }: GPUBuffer,
  shape: readonly number[] | undefined,
  dtype: DType,
): void {
  const isShape = Array.isArray(shape) && shape.every((extent) => Number.isInteger(extent) && extent >= 0);
  if (!isShape) {
    const found = Array.isArray(shape)
      ? `[${shape.map((extent) => (typeof extent === "number" ? extent : inWords(extent))).join(", ")}]`
      : inWords(shape);
    throw new UserError(`wrap: the shape is ${found}; expected a list of whole numbers, such as [2, 3]`);
  }
  // WebGPU binds no empty range.
  const bytes = Math.max(4, sizeOfNumbers(shape) * storages[dtype].bytes);
  if (size < bytes)
    throw new UserError(`wrap: the buffer has ${size} bytes; an array ${dtype} [${shape.join(", ")}] needs ${bytes}`);
  if (size % 4 !== 0) throw new UserError(`wrap: the buffer has ${size} bytes; expected a multiple of 4`);
  if (size > pool.most)
    throw new UserError(
      `wrap: the buffer has ${megabytes(size)}, and this device binds at most ${megabytes(pool.most)}; copy the part to a smaller one`,
    );
}

/** Binds the buffer once, for nothing but to learn whether that is possible. */
function bindingFault({ device, host }: GpuContext, buffer: GPUBuffer): Promise<Error | undefined> {
  const fault = (reason: string) =>
    new UserError(
      `wrap: ${host.name} cannot use the buffer: it belongs to another GPUDevice, or could not be created (${oneLine(reason)})`,
    );
  try {
    const { errors } = withErrorScopes(device, () => {
      const layout = device.createBindGroupLayout({
        entries: [{ binding: 0, visibility: shaderStage.COMPUTE, buffer: { type: "read-only-storage" } }],
      });
      device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] });
    });
    return errors.then(
      ({ invalid }) => (invalid === null ? undefined : fault(invalid.message)),
      // A lost device says so itself.
      () => undefined,
    );
  } catch (error) {
    // An object of another implementation.
    throw fault(messageOf(error));
  }
}
