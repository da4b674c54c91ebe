/** @file Tables as texts: parsed like files, with the same error messages. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { readSeries } from "../../disk/data-files.ts";
import { parseSeriesText } from "../../train/data/series-text.ts";
import type { TableOptions } from "../../train/data/table.ts";
import type { LayoutOptions } from "../../train/data/table-layout.ts";
import { lineOfPromise, whatever } from "../support/refused.ts";

const folder = mkdtempSync(join(tmpdir(), "cellgrad-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "t.csv");

type Options = TableOptions & LayoutOptions;

/** What reading gives, or the line that it throws. */
async function outcome(read: () => Promise<unknown>): Promise<unknown> {
  try {
    return await read();
  } catch (error) {
    expect(error).toMatchObject({ name: "UserError" });
    return (error as Error).message;
  }
}

async function expectAlike(bytes: string | Uint8Array<ArrayBuffer>, options: Options = {}): Promise<unknown> {
  writeFileSync(path, bytes);
  const ofFile = await outcome(() => readSeries(path, options));
  expect(await outcome(() => parseSeriesText(new Blob([bytes]), path, options))).toEqual(ofFile);
  if (typeof bytes === "string") expect(await outcome(() => parseSeriesText(bytes, path, options))).toEqual(ofFile);
  return ofFile;
}

test.each<[string, string, Options, number[]]>([
  ["names", "a,b\n1,2\n3,4\n", {}, [1, 2, 3, 4]],
  ["a byte order mark, and line ends of Windows", "\uFEFFa;b\r\n1,5;2\r\n3;4\r\n", {}, [1.5, 2, 3, 4]],
  ["a byte order mark before a comment", "\uFEFF# of the station\na,b\n1,2\n", {}, [1, 2]],
  ["tabs and dates", "day\tx\n2024-01-01\t1\n2024-01-02\t2\n", {}, [1, 2]],
  ["columns by name and number", "a,b,c\n1,2,3\n4,5,6\n", { columns: ["c", "1"] }, [3, 1, 6, 4]],
  ["a decimal comma", "a;b\n1,5;2\n", { decimal: "comma" }, [1.5, 2]],
  ["a separator", "a|b\n1|2\n", { separator: "bar" }, [1, 2]],
  ["missing values", "a,b\n1,2\n,4\n", { missing: "last" }, [1, 2, 1, 4]],
  ["quoted names over several lines", 'a,"b\nc"\n1,2\n', {}, [1, 2]],
])("%s", async (_, text, options, values) => {
  expect(await expectAlike(text, options)).toMatchObject({ values: Float64Array.from(values) });
});

test.each<[string, string, Options, RegExp]>([
  ["a hole", "a,b\n1,2\n,4\n", {}, /line 3, a: the field is empty; expected a number/],
  ["a word", "a,b\n1,2\n3,four\n", {}, /line 3, b: the field is "four"; expected a number/],
  [
    "what may be two numbers",
    "a\n1,234\n",
    { separator: ";" },
    /line 2, a: the field is "1,234", which means 1234 or 1.234/,
  ],
  ["a quote that does not end", 'a,b\n1,"2\n', {}, /Quote Not Closed: .* at line 2/],
  ["fields too many", "a,b\n1,2\n1,2,3\n", {}, /line 3: expected 2 fields/],
  ["nothing", "", {}, /t\.csv is empty$/],
  ["a column of another name", "a,b\n1,2\n", { columns: ["c"] }, /has no column "c"; it has a, b/],
])("%s is refused", async (_, text, options, line) => {
  expect(await expectAlike(text, options)).toMatch(line);
});

test("bytes that are no text, and what is none", async () => {
  expect(await expectAlike(Uint8Array.of(0x61, 0x0a, 0xff, 0x0a))).toMatch(
    /is not UTF-8 text: invalid bytes at offset 2/,
  );
  expect(await lineOfPromise(() => parseSeriesText(whatever(3), "t"))).toBe(
    "parseSeriesText: the table is 3; expected its text, or a Blob of it",
  );
});

test("any text is read alike, or refused alike", async () => {
  const field = fc.oneof(
    fc.double({ min: -1e3, max: 1e3, noNaN: true }).map(String),
    fc.constantFrom("1,5", "1.234,5", "2024-01-01", "", " 7 ", '"8"', '"a ""b"""', "NA", "-", "x"),
  );
  const table = fc
    .tuple(fc.constantFrom(",", ";", "\t"), fc.integer({ min: 1, max: 3 }), fc.constantFrom("\n", "\r\n"))
    .chain(([separator, width, end]) =>
      fc
        .array(fc.array(field, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 5 })
        .map((rows) => rows.map((row) => row.join(separator)).join(end) + end),
    );
  await fc.assert(
    fc.asyncProperty(
      table,
      fc.constantFrom<Options>({}, { missing: "last" }, { decimal: "comma" }),
      async (text, options) => {
        await expectAlike(text, options);
      },
    ),
    { numRuns: 60 },
  );
});

test("a table has a name in messages", async () => {
  for (const name of [undefined, "", { columns: ["a"] }])
    await expect(parseSeriesText("a\n1\n", name as never)).rejects.toThrow(
      /^parseSeriesText: the name is .*; expected/,
    );
});
