/** @file The pool of buffers, on a device that only counts. */
import { expect, test } from "vitest";
import { UserError } from "../../compiler/graph/errors.ts";
import { BufferPool } from "../../runtime/buffers.ts";

/** A device that allows 4 MiB in a buffer, and binds 1 MiB of one. */
function poolOfMegabyte() {
  const made: number[] = [];
  const createBuffer = ({ size, usage }: GPUBufferDescriptor) => {
    made.push(size);
    return { size, usage, destroy: () => {} };
  };
  const limits = { maxBufferSize: 2 ** 22, maxStorageBufferBindingSize: 2 ** 20 };
  return { pool: new BufferPool({ createBuffer, limits } as unknown as GPUDevice), made };
}

test("a buffer has at most the bytes that can be bound; a larger one is refused in one line, and none is made", () => {
  const { pool, made } = poolOfMegabyte();
  expect(pool.take(2 ** 20, 128, "the states").size).toBe(2 ** 20);
  const take = () => pool.take(2 ** 20 + 1, 128, "the states");
  expect(take).toThrow(UserError);
  expect(take).toThrow(
    /^the states needs 1\.0 MiB; this adapter allows 1\.0 MiB in one buffer: lower the batch[^\n]*$/,
  );
  expect([made, pool.allocated]).toEqual([[2 ** 20], { bytes: 2 ** 20, buffers: 1 }]);
});
