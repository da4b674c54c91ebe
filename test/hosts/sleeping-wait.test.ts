/** @file Waiting for a software adapter in Node: values and errors pass through, and iterations of the event loop sleep. */
import { expect, test, vi } from "vitest";
import { requestAdapter } from "../../runtime/host.ts";
import { sleepingWait } from "../../runtime/hosts/sleeping-wait.ts";

const nextIteration = () => new Promise((resolve) => setImmediate(resolve));

test("values and errors pass through, concurrently and in sequence", async () => {
  expect(await Promise.all([sleepingWait(Promise.resolve(1)), sleepingWait(nextIteration().then(() => 2))])).toEqual([
    1, 2,
  ]);
  await expect(sleepingWait(Promise.reject(new Error("gone")))).rejects.toThrow("gone");
  expect(await sleepingWait(nextIteration().then(() => 3))).toBe(3);
});

test("iterations sleep only while something is pending", async () => {
  const rests = vi.spyOn(Atomics, "wait");
  await sleepingWait(nextIteration().then(nextIteration).then(nextIteration));
  expect(rests).toHaveBeenCalled();
  await nextIteration();
  rests.mockClear();
  await nextIteration();
  await nextIteration();
  expect(rests).not.toHaveBeenCalled();
  rests.mockRestore();
});

test("a software adapter uses this wait", async () => {
  const host = await requestAdapter("software");
  expect(host.wait).toBe(sleepingWait);
  host.release();
});
