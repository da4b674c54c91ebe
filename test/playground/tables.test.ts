/** @file Tables in the page: what is pasted is told from text, and numbers far from 0 keep their digits to the plot. */
import { expect, test } from "vitest";
import { rnn } from "../../cells/index.ts";
import { ticksInWords } from "../../playground/page/numbers.ts";
import { isTable } from "../../playground/page/pasted.ts";
import { clientWithText, runSpec } from "./client.ts";

test.each([
  ["a,b\n1,2\n3,4\n", true],
  ["a;b\n1,5;2\n3;4,5\n", true],
  ["date\tv\n2024-01-01\t5\n2024-01-02\tNA\n2024-01-03\t7\n", true],
  ["1\n2\n3\n", true],
  ['sep=;\nd;v\n"Jan 1, 2024";5\n"Jan 2, 2024";6\n', true],
  ["Once upon a time,\nthere was a table,\nof 3 legs.", false],
  ["2024-01-01\n2024-01-02\n2024-01-03", false],
  ["a,b\n1,2", false],
])("%j is a table: %s", (text, expected) => {
  expect(isTable(text)).toBe(expected);
});

test.each([
  [
    [0, 0.5, 1],
    ["0", "0.5", "1"],
  ],
  [
    [1699999980, 1699999990, 1700000000],
    ["1699999980", "1699999990", "1700000000"],
  ],
  [
    [1e-7, null, 1e-5],
    ["1e-7", "", "0.00001"],
  ],
  [
    [123456.7, 123456.75],
    ["123456.7", "123456.75"],
  ],
  [[], []],
])("ticks at %j", (ticks, texts) => {
  expect(ticksInWords(ticks)).toEqual(texts);
});

test("what a forecast reads and writes far from 0 is there to the last digit", async () => {
  const value = (t: number) => Number((1.7e9 + 20 * Math.sin(t / 3)).toFixed(2));
  const text = `v\n${Array.from({ length: 200 }, (_, t) => value(t).toFixed(2)).join("\n")}\n`;
  const client = await clientWithText("interpreter");
  await client.ask({ type: "setData", data: { kind: "csv", name: "meter.csv", text } });
  await client.ask({ type: "setRuns", runs: [runSpec("a", rnn, 1, { batch: 1, time: 4 })] });
  const { rows, truth } = await client.ask({ type: "sample", run: "a", length: 3 });
  const known = Array.from({ length: 200 }, (_, t) => value(t));
  expect(truth?.rows).toBeGreaterThan(10);
  for (const read of truth?.values ?? []) expect(Math.min(...known.map((v) => Math.abs(v - read)))).toBeLessThan(1e-4);
  expect(new Set(rows?.values).size).toBe(3);
  for (const written of rows?.values ?? []) expect(Math.abs(written - 1.7e9)).toBeLessThan(200);
  await client.ask({ type: "destroy" });
});
