/**
 * @file Numbers in Node, Deno and headless Chromium: the errors of math functions in units of the last place over a sample of
 * all f32 numbers, held to the table in docs/trust.md, and what is exact everywhere: conversions, integers at their ends, NaN.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { opTable } from "../../compiler/ops/table.ts";
import { page } from "../docs/pages.ts";
import { hostNames } from "../fuzz/protocol.ts";
import { measuredFunctions } from "./functions.ts";
import { measureIn } from "./hosts.ts";
import { inexactCases, sampleBits, ulpAt, ulpError } from "./measure.ts";
import type { Measured } from "./protocol.ts";

/** Of each function the figures in Node, Deno and Chromium. */
const rows = [...page("docs/trust.md").matchAll(/^\| `(\w+)` \| [^|]+ \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$/gm)];
const table = new Map(rows.map(([, name = "", ...figures]) => [name, figures.map(Number)]));

test("every function that a device has to compute stands in the table", () => {
  expect([...table.keys()]).toEqual(Object.keys(measuredFunctions));
  const computed = Object.values(opTable).filter((entry) => entry.kind === "elementwise" && !entry.cheap);
  const missing = computed.map(({ op }) => op).filter((op) => op !== "randomBits" && !table.has(op));
  expect(missing).toEqual([]);
});

test("a unit in the last place", () => {
  expect([1, 1.99, 2, 2 ** -126, 1e-45, 0].map(ulpAt)).toEqual([
    2 ** -23,
    2 ** -23,
    2 ** -22,
    ...[0, 0, 0].fill(2 ** -149),
  ]);
  expect([ulpError(1, 1 + 2 ** -23), ulpError(-3, -3 - 2 ** -23), ulpError(0, 2 ** -148)]).toEqual([1, 0.5, 2]);
  expect([ulpError(Number.NaN, Number.NaN), ulpError(Number.NaN, 1), ulpError(1, Number.NaN)]).toEqual([
    0,
    Infinity,
    Infinity,
  ]);
  expect([ulpError(Infinity, 1e39), ulpError(Infinity, -1e39), ulpError(Infinity, 3.4028234663852886e38)]).toEqual([
    0,
    2 ** 25,
    1,
  ]);
});

test("the sample holds every exponent of both signs", () => {
  const bits = sampleBits();
  expect(new Set(bits.map((b) => b >>> 23)).size).toBe(512);
  expect(bits.every((b) => Number.isInteger(b) && b >= 0 && b < 2 ** 32)).toBe(true);
});

test("the interpreter", async () => {
  expect(await inexactCases()).toEqual([]);
});

describe.each(hostNames.map((host, i) => ({ host, i })))("$host", ({ host, i }) => {
  let found: Measured;
  beforeAll(async () => {
    found = await measureIn(host, { device: "software" });
  });

  test("computes exactly what is exact", () => {
    expect(found.inexact).toEqual([]);
  });

  test.each([...table])("%s is as good as the table says, and the table no looser", (name, figures) => {
    const worst = found.measured.worst[name];
    const figure = figures[i] ?? Number.NaN;
    expect(worst?.ulp, `${worst?.got} for ${worst?.exact} at ${worst?.x}, ${worst?.y}`).toBeLessThanOrEqual(figure);
    expect(figure).toBeLessThanOrEqual(2 * (worst?.ulp ?? 0) + 0.5);
  });
});
