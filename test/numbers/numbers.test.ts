/**
 * @file The errors of math functions in units of the last place over a sample of all f32 numbers, held to the table in
 * docs/trust.md, and what is exact everywhere: conversions, integers at their ends, NaN. Here in Node, and on the
 * CPU; `hosts.test.ts` has the others.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { opTable } from "../../compiler/ops/table.ts";
import { openDevice } from "../../index.ts";
import { deviceExecutor, interpreter } from "../../testing/executor.ts";
import { slowUnless } from "../support/some-of.ts";
import { measuredFunctions } from "./functions.ts";
import { inexactCases, measure, sampleBits, ulpAt, ulpError } from "./measure.ts";
import type { Measured } from "./protocol.ts";
import { holdToTable, table } from "./table.ts";

test("every function that a device has to compute stands in the table", () => {
  expect([...table.keys()]).toEqual(Object.keys(measuredFunctions));
  const computed = Object.values(opTable).filter((entry) => entry.kind === "elementwise" && !entry.cheap);
  const missing = computed.map(({ op }) => op).filter((op) => op !== "randomBits" && !table.has(op));
  expect(missing).toEqual([]);
});

test("a unit in the last place", () => {
  const { NaN: none, POSITIVE_INFINITY: infinity } = Number;
  const subnormal = 2 ** -149;
  expect([1, 1.99, 2, 2 ** -126, 1e-45, 0].map(ulpAt)).toEqual([
    2 ** -23,
    2 ** -23,
    2 ** -22,
    subnormal,
    subnormal,
    subnormal,
  ]);
  expect([ulpError(1, 1 + 2 ** -23), ulpError(-3, -3 - 2 ** -23), ulpError(0, 2 ** -148)]).toEqual([1, 0.5, 2]);
  expect([ulpError(none, none), ulpError(none, 1), ulpError(1, none)]).toEqual([0, infinity, infinity]);
  expect([ulpError(infinity, 1e39), ulpError(infinity, 3.4028234663852886e38)]).toEqual([0, 1]);
  expect(ulpError(infinity, -1e39)).toBeGreaterThan(2 ** 24);
});

test("the sample holds every exponent of both signs", () => {
  const bits = sampleBits();
  expect(new Set(bits.map((b) => b >>> 23)).size).toBe(512);
  expect(bits.every((b) => Number.isInteger(b) && b >= 0 && b < 2 ** 32)).toBe(true);
});

test("the interpreter computes exactly what is exact", async () => {
  expect(await inexactCases(interpreter)).toEqual([]);
});

describe.each([
  ["node", "software"],
  ["cpu", "cpu"],
] as const)("%s", (place, choice) => {
  let found: Measured;
  beforeAll(async () => {
    const device = await openDevice({ device: choice });
    found = { measured: await measure(device), inexact: await inexactCases(deviceExecutor("", device, 0)) };
    device.destroy();
  });
  describe("", slowUnless(place === "cpu"), () => holdToTable(place, () => found));
});
