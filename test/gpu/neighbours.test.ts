/** @file The kernel that looks which invocations are neighbours in a subgroup, and what follows from its findings. */
import { afterAll, expect, test } from "vitest";
import { requestDevice } from "../../runtime/host.ts";
import { findNeighbours, neighboursIn } from "../../runtime/neighbours.ts";

const { device, host } = await requestDevice("software");
afterAll(() => host.release());

test("four invocations in a row are neighbours on SwiftShader, whose subgroups have four lanes", async () => {
  expect(host.adapter.info.subgroupMinSize).toBe(4);
  expect(await findNeighbours(device, 4)).toBe(4);
  // Its subgroups are no larger, so lanes 4 apart cannot exchange values.
  expect(await findNeighbours(device, 16)).toBe(4);
});

test("a device without subgroups has none, and no kernel runs", async () => {
  expect(await findNeighbours(device, undefined)).toBe(1);
  expect(await findNeighbours(device, 1)).toBe(1);
});

test("each distance must hold for all invocations, and so must all smaller ones", () => {
  const all = (bits: number) => Uint32Array.of(bits, bits, bits);
  expect(neighboursIn(all(0b11111), 32)).toBe(32);
  expect(neighboursIn(all(0b11111), 8)).toBe(8);
  expect(neighboursIn(all(0b11011), 32)).toBe(4);
  expect(neighboursIn(all(0b11110), 32)).toBe(1);
  expect(neighboursIn(Uint32Array.of(0b111, 0b101, 0b111), 32)).toBe(2);
  expect(neighboursIn(all(0), 32)).toBe(1);
});
