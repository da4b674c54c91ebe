/** @file Waiting for a software adapter in Node: the same values and errors, and iterations of the event loop that sleep. */
import { expect, test, vi } from "vitest";
import { requestAdapter } from "../../runtime/host.ts";
import { sleepingWait } from "../../runtime/hosts/sleeping-wait.ts";

const nextIteration = () => new Promise((resolve) => setImmediate(resolve));

test("values and errors come through, several at once and one after the other", async () => {
  expect(await Promise.all([sleepingWait(Promise.resolve(1)), sleepingWait(nextIteration().then(() => 2))])).toEqual([
    1, 2,
  ]);
  await expect(sleepingWait(Promise.reject(new Error("gone")))).rejects.toThrow("gone");
  expect(await sleepingWait(nextIteration().then(() => 3))).toBe(3);
});

test("iterations sleep while something is open, and only then", async () => {
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

test("a software adapter is waited for in this way", async () => {
  const host = await requestAdapter("software");
  expect(host.wait).toBe(sleepingWait);
  host.release();
});
