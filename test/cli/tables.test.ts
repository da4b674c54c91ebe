/**
 * @file Table formats: unambiguous tables are read, from a file in pieces of any size and from memory, as in a page;
 * ambiguous ones give an error with location, cause and option.
 */
import { afterAll, describe, expect, test } from "vitest";
import { betweenRows, PIECE_BYTES, sourceOf } from "../../disk/file-pieces.ts";
import { tableSource } from "../../disk/table-source.ts";
import { readSeries as readFile } from "../../entries/node.ts";
import { readSeries } from "../../playground/worker/reading.ts";
import { denormalise } from "../../train/data/normalisation.ts";
import type { TableOptions } from "../../train/data/table.ts";
import type { LayoutOptions } from "../../train/data/table-layout.ts";
import { Workspace } from "./run.ts";

const space = new Workspace();
afterAll(() => space.remove());
type Options = TableOptions & LayoutOptions;
const bytesOf = (text: string) => new TextEncoder().encode(text);
const sizes = { batch: 1, time: 1, heldOut: 0 };

/** Columns and rows, as a file in pieces gives them. */
async function inPieces(text: string, options: Options, pieceBytes: number, name = "t.csv") {
  const source = await tableSource(sourceOf(name, bytesOf(text)), { ...sizes, ...options }, pieceBytes);
  const { recording, normalisation, columns, skipped } = source;
  const values: number[] = [];
  for (const piece of recording.pieces.keys()) values.push(...denormalise(await recording.read(piece), normalisation));
  return { columns, skipped, values: values.map((value) => Number(value.toPrecision(12))) };
}

const rows = (...lines: string[]) => `${lines.join("\n")}\n`;
const head = ["a", "b"];

const forms: readonly [
  title: string,
  text: string,
  columns: readonly string[],
  values: readonly number[],
  options?: Options,
][] = [
  ["a head that ends with CR LF over rows with LF", "a,b\r\n1,2\n3,4\n5,6\n", head, [1, 2, 3, 4, 5, 6]],
  ["one column, with line ends of three kinds", "a\r\n1.5\n2.5\r3.5\r\n", ["a"], [1.5, 2.5, 3.5]],
  ["lines that end with CR alone", "a,b\r1,2\r3,4\r", head, [1, 2, 3, 4]],
  ["a byte order mark", "\uFEFFa,b\r\n1,2\r\n3,4\r\n", head, [1, 2, 3, 4]],
  [
    "a quoted head behind a byte order mark, with a line end in it",
    '\uFEFF"a\nA",b\n1,2\n3,4\n',
    ["a\nA", "b"],
    [1, 2, 3, 4],
  ],
  ["semicolons", rows("a;b", "1.5;2", "3;4"), head, [1.5, 2, 3, 4]],
  ["semicolons and decimal commas", rows("a;b", "1,5;2,25", "10,5;-3,0"), head, [1.5, 2.25, 10.5, -3]],
  ["the same without names", rows("1,5;2,25", "10,5;3,0"), ["column 1", "column 2"], [1.5, 2.25, 10.5, 3]],
  ["a decimal comma that only the last row tells", rows("a;b", "1.000;2", "3;4,5"), head, [1000, 2, 3, 4.5]],
  ["tabs in a .csv", rows("a\tb", "1,5\t2", "3\t4"), head, [1.5, 2, 3, 4]],
  ["bars", rows("a|b", "1|2", "3|4"), head, [1, 2, 3, 4]],
  ["thousands", rows("a,b", '"1,000","1,123.5"', '"12,000,000","0,123.5"'), head, [1000, 1123.5, 12e6, 123.5]],
  ["thousands with points", rows("a;b", "1.234.567;2", "1.234,5;-1.000"), head, [1234567, 2, 1234.5, -1000]],
  [
    "thousands with spaces and apostrophes",
    rows("a;b", "1 234,5;2'000", "12\u202f345,5;3"),
    head,
    [1234.5, 2000, 12345.5, 3],
  ],
  ["three decimals are decimals", rows("a,b", "1.234,2", "5.678,0.123"), head, [1.234, 2, 5.678, 0.123]],
  [
    "three decimals with a comma, said",
    rows("a;b", "1,234;2", "5,678;3"),
    head,
    [1.234, 2, 5.678, 3],
    { decimal: "comma" },
  ],
  ["thousands alone, said", rows("a;b", "1,234;2", "5,678;3"), head, [1234, 2, 5678, 3], { decimal: "point" }],
  ["one column with decimal commas, said", rows("a", "1,5", "2,5"), ["a"], [1.5, 2.5], { decimal: "comma" }],
  ["a minus sign that is none of ASCII", rows("a,b", "\u22121,2", "-3,\u22124.5"), head, [-1, 2, -3, -4.5]],
  ["a separator too many", rows("a,b,", "1,2,", "3,4,"), head, [1, 2, 3, 4]],
  ["a separator too many in the head", rows("a,b,", "1,2", "3,4"), head, [1, 2, 3, 4]],
  ["a separator too many in the rows", rows("a,b", "1,2,", "3,4,"), head, [1, 2, 3, 4]],
  ["comments above the head", rows("# made by a logger, of some kind", "#", "a,b", "1,2", "3,4"), head, [1, 2, 3, 4]],
  ["a head that begins with #", rows("#a,b", "1,2", "3,4"), ["#a", "b"], [1, 2, 3, 4]],
  ["what a spreadsheet says of separators", rows("sep=;", "a;b", "1;2", "3;4"), head, [1, 2, 3, 4]],
  ["quotes within names", rows('"5"" pipe",6" pipe', "1,2", "3,4"), ['5" pipe', '6" pipe'], [1, 2, 3, 4]],
  ["spaces around fields", rows("a , b", ' 1 , "2" ', "3,4"), head, [1, 2, 3, 4]],
  ["spaces between fields, said", rows("a b", "1 2", "3 4"), head, [1, 2, 3, 4], { separator: "space" }],
  [
    "missing values, repeated",
    rows("a,b", "1,2", "NA,4", ",n/a", "7,NaN"),
    head,
    [1, 2, 1, 4, 1, 4, 7, 4],
    { missing: "last" },
  ],
  ["no column but the chosen one", rows("a,b,c", "1,x,2", "3,y,"), ["a"], [1, 3], { columns: ["a"] }],
];

describe.each(forms)("%s", (_title, text, columns, values, options = {}) => {
  test.each([1, 5, PIECE_BYTES])("in pieces of %i bytes", async (pieceBytes) => {
    expect(await inPieces(text, options, pieceBytes)).toMatchObject({ columns, values });
  });

  test("in memory", async () => {
    const told = Object.keys(options).length > 0;
    const series = await readFile(space.write("t.csv", text), options);
    expect(series).toMatchObject({ columns, values: Float64Array.from(values) });
    // A page has no options; what needs none it reads as well.
    if (!told) expect(readSeries("t.csv", text)).toEqual(series);
  });
});

test.each([
  ...["01-Jan-2024", "Jan 1, 2024", "January 2024", "1 March 1999", "01-1901", "2024-01-01 00:10:00 UTC", "2024-W03"],
  ...[
    "2024Q1",
    "Q3 2024",
    "2024-01-01T00:00:00.5+01:00",
    "Mon, 01 Jan 2024 10:00:00 GMT",
    "9:05 a.m.",
    "2024-01-01 10:00 CEST",
  ],
])("a column of %s is left out", async (date) => {
  const text = rows("a;b", `"${date}";1`, `"${date}";2`);
  for (const pieceBytes of [9, PIECE_BYTES])
    expect(await inPieces(text, {}, pieceBytes)).toEqual({ columns: ["b"], skipped: ["a"], values: [1, 2] });
  expect(readSeries("t.csv", text)).toMatchObject({ columns: ["b"], skipped: ["a"], length: 2 });
});

test.each(["Month", "date_of_sale", "Time (s)", "week"])(
  "so is a column that is called %j and holds no numbers",
  async (name) => {
    const text = rows(`"${name}",b`, "1-01,1", "1-02,2");
    expect(await inPieces(text, {}, PIECE_BYTES)).toMatchObject({ columns: ["b"], skipped: [name] });
    // What is a number is read, whatever it is called.
    expect(readSeries("t.csv", rows(`${name},b`, "5,1", "6,2")).columns).toEqual([name, "b"]);
  },
);

const refused: readonly [title: string, text: string, message: string, options?: Options][] = [
  [
    "a comma that may be of decimals or of thousands",
    rows("a;b", "1,234;2", "5,678;3"),
    't.csv, line 2, a: the field is "1,234", which means 1234 or 1.234, and no other field shows which; set option decimal to point or comma',
  ],
  [
    "decimal points and decimal commas",
    rows("a;b", "1.5;2", "5,25;3"),
    't.csv, line 3, a: the field is "5,25" and in line 2, a, it is "1.5": one has a decimal point and one a decimal comma; use one of them everywhere',
  ],
  [
    "a decimal comma where points are said to be",
    rows("a;b", "1,5;2"),
    't.csv, line 2, a: the field is "1,5"; expected a number with a decimal point',
    { decimal: "point" },
  ],
  [
    "decimal commas among commas",
    rows("a,b", "1,5,2", "3,5,4"),
    "t.csv, line 2: expected 2 fields, as in line 1, got 3; put a field with a separator into quotes, or set the options separator and decimal",
  ],
  [
    "units",
    rows("a,b", "$1.00,2"),
    't.csv, line 2, a: the field is "$1.00"; expected a number: remove currencies and units, or leave the column out (option columns)',
  ],
  [
    "percent",
    rows("a,b", "1,2%"),
    't.csv, line 2, b: the field is "2%"; expected a number: remove currencies and units, or leave the column out (option columns)',
  ],
  [
    "a missing value",
    rows("a,b", "1,2", "NA,3"),
    't.csv, line 3, a: the field is "NA"; expected a number (option missing: last repeats the previous value)',
  ],
  [
    "a missing value at the start",
    rows("a,b", "1,", "2,3"),
    "t.csv, line 2, b: the field is empty; expected a number, and there is no earlier value to repeat",
    { missing: "last" },
  ],
  [
    "a foot",
    rows("a,b", "1,2", "", "Source: somewhere, 1976"),
    't.csv, line 3: the line is empty, and "Source: somewhere" follows in line 4; remove empty lines, and text that is not part of the table',
  ],
  [
    "a fault in a row of several lines",
    rows("a,b", "1,2", '"3\n4",5'),
    't.csv, line 3, a: the field is "3\\n4"; expected a number',
  ],
  [
    "a fault behind line ends in quotes",
    rows('"temp\nin C",b', "1,2", '"3",NA'),
    't.csv, line 4, b: the field is "NA"; expected a number (option missing: last repeats the previous value)',
  ],
  [
    "a fault behind comments",
    rows("# one", "# two", "a,b", "1,2", "x,4"),
    't.csv, line 5, a: the field is "x"; expected a number',
  ],
  [
    "an open quote behind comments",
    rows("# one", "a,b", '"1,2'),
    "t.csv: Quote Not Closed: the parsing is finished with an opening quote at line 3",
  ],
  [
    "a value in a column that began empty",
    rows("a,", "1,", "2,7"),
    't.csv, line 3, column 2: the field is "7", in a column that began empty',
  ],
  [
    "an unknown separator",
    rows("a,b", "1,2"),
    'separator is "tabs"; expected comma, semicolon, tab, space, bar, or a character that does not occur in numbers',
    { separator: "tabs" },
  ],
  [
    "spaces",
    rows("a b", "1 2"),
    't.csv, line 2, a b: the field is "1 2"; expected a number; name the separator of the fields (option separator)',
  ],
];

test("a piece ends at a row end, whatever quotes it contains", () => {
  const cut = (text: string) => betweenRows(",")(bytesOf(text));
  expect(cut('6" pipe,b\n1,2\n3')).toBe(14);
  expect(cut('a,"b\n1,2\n3')).toBeUndefined();
  expect(cut('a\n"b ""\n"" c",\n3')).toBe(15);
  expect(cut("a,b\r1,2\r")).toBe(4);
});

test.each(refused)("%s: rejected", async (_title, text, message, options = {}) => {
  for (const pieceBytes of [3, PIECE_BYTES]) await expect(inPieces(text, options, pieceBytes)).rejects.toThrow(message);
  await expect(readFile(space.write("t.csv", text), options)).rejects.toThrow(
    message.replaceAll("t.csv", space.file("t.csv")),
  );
  if (Object.keys(options).length === 0) expect(() => readSeries("t.csv", text)).toThrow(message);
});
