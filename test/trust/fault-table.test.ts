/** @file Each row of the table of faults has a test. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { faults } from "./fault-table.ts";

test("every fault in docs/trust.md is caused by a test, which compares the line", () => {
  const folder = new URL(".", import.meta.url);
  const tests = readdirSync(folder).filter((name) => name.endsWith(".test.ts"));
  const text = tests.map((name) => readFileSync(new URL(name, folder), "utf8")).join("\n");
  const seen = [...text.matchAll(/lineOf\("([^"]+)"\)/g)].map(([, given]) => given);
  expect(faults.length).toBeGreaterThan(10);
  expect(faults.map(({ given }) => given).filter((given) => !seen.includes(given))).toEqual([]);
});
