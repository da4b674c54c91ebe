/** @file Waiting for a software adapter in Node: the same values and errors, and turns of the event loop that rest. */
import { expect, test, vi } from "vitest";
import { requestAdapter } from "../../runtime/host.ts";
import { politeWait } from "../../runtime/hosts/polite-wait.ts";

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test("values and errors come through, several at once and one after the other", async () => {
  expect(await Promise.all([politeWait(Promise.resolve(1)), politeWait(nextTurn().then(() => 2))])).toEqual([1, 2]);
  await expect(politeWait(Promise.reject(new Error("gone")))).rejects.toThrow("gone");
  expect(await politeWait(nextTurn().then(() => 3))).toBe(3);
});

test("turns rest while something is open, and only then", async () => {
  const rests = vi.spyOn(Atomics, "wait");
  await politeWait(nextTurn().then(nextTurn).then(nextTurn));
  expect(rests).toHaveBeenCalled();
  await nextTurn();
  rests.mockClear();
  await nextTurn();
  await nextTurn();
  expect(rests).not.toHaveBeenCalled();
  rests.mockRestore();
});

test("a software adapter is waited for in this way", async () => {
  const host = await requestAdapter("software");
  expect(host.wait).toBe(politeWait);
  host.release();
});
