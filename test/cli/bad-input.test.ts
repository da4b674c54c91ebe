/** @file Bad input: one clear line on standard error, exit code 2, nothing on standard output, and no file written. */
import { mkdirSync, readFileSync, truncateSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run, SERIES, start, TEXT, TINY, Workspace } from "./run.ts";

let space: Workspace;

beforeAll(async () => {
  space = new Workspace({
    "text.txt": TEXT,
    "series.csv": SERIES,
    "other.csv": SERIES.replace("a,b", "b,a"),
    "wide.csv": "a,b,c\n1,2,3\n4,5,6\n",
    "empty.txt": "",
    "empty.csv": "\n\n",
    "one.txt": "x",
    "same.txt": "x".repeat(500),
    "latin1.txt": new Uint8Array([0x63, 0x61, 0x66, 0xe9, 0x20, 0x61, 0x75]),
    "stray.txt": new Uint8Array([0x61, 0x62, 0xff, 0x63]),
    "cut.txt": new Uint8Array([0x61, 0x62, 0x63, 0xe2, 0x82]),
    "hole.csv": "a,b\n1,2\n3,\n5,6\n",
    "word.csv": "a,b\n1,2\n3,four\n5,6\n",
    "ragged.csv": "a,b\n1,2\n3\n5,6\n",
    "gap.csv": "a,b\n1,2\n\n5,6\n",
    "quote.csv": 'a,b\n1,2\n"3,4\n',
    "noise.safetensors": "this is not a model file at all",
    "none.ts": "export const x = 1;\n",
    "two.ts":
      'import { cell, tanh } from "cellgrad";\nconst make = (name: string) => cell(name, { state: ({ units }) => ({ h: [units] }) }, ({ h }) => ({ state: { h: tanh(h) }, output: h }));\nexport const first = make("first");\nexport const second = make("second");\n',
    "fine.ts":
      'import { cell, tanh } from "cellgrad";\nexport default cell("fine", { state: ({ units }) => ({ h: [units] }) }, ({ h }) => ({ state: { h: tanh(h) }, output: h }));\n',
    "syntax.ts": '/**\n * A comment.\n */\nimport { cell } from "cellgrad";\n\nexport default cell("x",, {});\n',
    "throws.ts": '/**\n * A comment.\n */\nimport { nonesuch } from "cellgrad";\n\nexport default nonesuch("x");\n',
    "import.ts": 'import { cell } from "cellgrad";\nimport "./missing.ts";\nexport default cell;\n',
    "shapes.ts":
      '/**\n * A long comment,\n * of which the loader\n * must not lose\n * count.\n */\nimport { add, cell } from "cellgrad";\n\nexport default cell("shapes", { state: ({ units }) => ({ h: [units] }) }, ({ x, h }) => {\n  const sum = add(x, h);\n  return { state: { h: sum }, output: sum };\n});\n',
    "bug.ts":
      'import { cell } from "cellgrad";\n\nexport default cell("bug", { state: ({ units }) => ({ h: [units] }) }, ({ h }) => {\n  const broken: { a?: { b: number } } = {};\n  return { state: { h }, output: broken.a.b };\n});\n',
  });
  mkdirSync(space.file("folder"));
  const text = await run("train", space.file("text.txt"), ...TINY, "--out", space.file("text.safetensors"), "--json");
  const series = ["train", space.file("series.csv"), ...TINY, "--out", space.file("series.safetensors"), "--json"];
  const numbers = await run(...series.filter((arg, i) => arg !== "--embed" && series[i - 1] !== "--embed"));
  expect([text.code, numbers.code]).toEqual([0, 0]);
  const whole = readFileSync(space.file("text.safetensors"));
  space.write("truncated.safetensors", whole.subarray(0, whole.length - 7));
  space.write("header.safetensors", whole.subarray(0, 100));
  space.write("changed.safetensors", Buffer.from(whole.toString("latin1").replace("tanh", "sinh"), "latin1"));
  truncateSync(space.write("nothing.safetensors", ""), 0);
});

afterAll(() => space.remove());

/** `@name` stands for a file of the workspace. */
const TABLE: [title: string, args: string, message: RegExp][] = [
  ["a missing file", "train @absent.txt", /absent\.txt: no such file/],
  ["an empty text", "train @empty.txt", /empty\.txt is empty/],
  ["an empty table", "train @empty.csv", /empty\.csv is empty/],
  ["a directory", "train @folder", /folder: this is a directory/],
  ["one character", "train @one.txt", /one\.txt: .*one kind of character/],
  ["one kind of character", "train @same.txt", /same\.txt: .*one kind of character, "x"/],
  ["a text that is not UTF-8", "train @latin1.txt", /latin1\.txt is not UTF-8 text: .* offset 3 /],
  ["a text with a stray byte", "train @stray.txt", /stray\.txt is not UTF-8 text: .* offset 2 /],
  ["a text that ends within a character", "train @cut.txt", /cut\.txt is not UTF-8 text: .* offset 3 /],
  ["a table with a hole", "train @hole.csv", /hole\.csv, line 3, b: the field is empty/],
  ["a table with a word", "train @word.csv", /word\.csv, line 3, b: the field is "four"/],
  ["a table with a short row", "train @ragged.csv", /ragged\.csv, line 3: expected 2 fields.* got 1/],
  ["a table with an empty line", "train @gap.csv", /gap\.csv, line 3/],
  ["a table with an open quote", "train @quote.csv", /quote\.csv: Quote Not Closed.*line 3/],
  [
    "an unknown cell",
    "train @text.txt --cell lstmm",
    /unknown cell "lstmm": use rnn, lstm1997, lstm, gru, gru-reset-after/,
  ],
  ["a cell named like an object's own property", "train @text.txt --cell toString", /unknown cell "toString"/],
  ["a missing module", "train @text.txt --cell @absent.ts", /absent\.ts: no such file/],
  ["a directory as a module", "train @text.txt --cell @folder", /folder: not a file/],
  ["a module without a cell", "train @text.txt --cell @none.ts", /none\.ts exports no cell/],
  ["a module with two cells", "train @text.txt --cell @two.ts", /two\.ts exports 2 cells \(first, second\)/],
  ["a module with a syntax error", "train @text.txt --cell @syntax.ts", /syntax\.ts:6: /],
  ["a module that throws", "train @text.txt --cell @throws.ts", /throws\.ts:6: nonesuch is not a function/],
  [
    "a module with a missing import",
    "train @text.txt --cell @import.ts",
    /import\.ts:2: Cannot find module '\.\/missing\.ts'/,
  ],
  [
    "a cell with shapes that do not fit",
    "train @text.txt --cell @shapes.ts --embed 3",
    /add at .*shapes\.ts:10:\d+: shapes \[B, 3\] and \[B, 128\]/,
  ],
  ["a cell with a bug", "train @text.txt --cell @bug.ts", /bug\.ts:5: Cannot read properties of undefined/],
  ["units of 0", "train @text.txt --units 0", /--units must be a whole number from 1 to \d+, got "0"/],
  ["negative units", "train @text.txt --units -3", /--units must be .* got "-3"/],
  ["fractional units", "train @text.txt --units 2.5", /--units must be .* got "2\.5"/],
  ["units that are a word", "train @text.txt --units many", /--units must be .* got "many"/],
  ["empty units", "train @text.txt --units=", /--units must be .* got ""/],
  ["huge units", "train @text.txt --units 99999999", /--units must be .* got "99999999"/],
  [
    "more weights than a buffer holds",
    "train @text.txt --units 16000",
    /would have [\d,]+ weights, above the limit of/,
  ],
  ["layers of 0", "train @text.txt --layers 0", /--layers must be/],
  ["no steps", "train @text.txt --steps 0", /--steps must be/],
  ["a learning rate of 0", "train @text.txt --lr 0", /--lr must be a number above 0, got "0"/],
  ["a learning rate that f32 cannot hold", "train @text.txt --lr 1e39", /--lr must be/],
  ["a negative seed", "train @text.txt --seed -1", /--seed must be/],
  ["an unknown device", "train @text.txt --device tpu", /--device must be one of auto, gpu, software, cpu, got "tpu"/],
  [
    "a batch longer than the text",
    "train @text.txt --batch 400",
    /text\.txt: .*too few for batch 400 x time 32.*smaller/,
  ],
  ["an embedding for a series", "train @series.csv --embed 3", /--embed is for text/],
  [
    "an output in no directory",
    "train @text.txt --out @no/such/m.st",
    /m\.st: the directory .*no\/such does not exist/,
  ],
  ["an output below a file", "train @text.txt --out @one.txt/m.st", /a part of the path is not a directory/],
  ["an output that is a directory", "train @text.txt --out @folder", /folder: this is a directory/],
  ["an output that is a device", "train @text.txt --out /dev/null", /\/dev\/null: not a regular file/],
  ["the input as output", "train @text.txt --out @text.txt", /text\.txt is the file that is read/],
  [
    "the cell's module as output",
    "train @text.txt --cell @fine.ts --out @fine.ts",
    /fine\.ts is the file that is read/,
  ],
  ["an output without a name", "train @text.txt --out=", /--out is empty/],
  ["a missing model", "sample @absent.safetensors", /absent\.safetensors: no such file/],
  ["an empty model", "sample @nothing.safetensors", /nothing\.safetensors is empty/],
  ["a model that is none", "sample @noise.safetensors", /noise\.safetensors is not a valid safetensors file/],
  [
    "a model cut short",
    "sample @truncated.safetensors",
    /truncated\.safetensors is not a valid safetensors file: .*cut short/,
  ],
  ["a model cut in its header", "sample @header.safetensors", /header\.safetensors is not a valid safetensors file/],
  [
    "a model with a graph of unknown ops",
    "sample @changed.safetensors",
    /changed\.safetensors is not a usable model: .*op of this release/,
  ],
  ["a text model for a forecast", "forecast @text.safetensors @series.csv", /was trained on text: use cellgrad sample/],
  [
    "a series model for a sample",
    "sample @series.safetensors",
    /was trained on a numeric series: use cellgrad forecast/,
  ],
  ["other columns", "forecast @series.safetensors @other.csv", /has the columns b, a; the model was trained on a, b/],
  [
    "too many columns",
    "forecast @series.safetensors @wide.csv",
    /has the columns a, b, c; the model was trained on a, b/,
  ],
  ["a horizon of 0", "forecast @series.safetensors @series.csv --horizon 0", /--horizon must be/],
  [
    "a prompt with an unknown character",
    "sample @text.safetensors --prompt thé",
    /--prompt: character "é" at position 2/,
  ],
  [
    "a negative temperature",
    "sample @text.safetensors --temperature -1",
    /--temperature must be a number of at least 0, got "-1"/,
  ],
  ["a temperature that is a word", "sample @text.safetensors --temperature hot", /--temperature must be .* got "hot"/],
  ["a temperature that is not finite", "sample @text.safetensors --temperature Infinity", /--temperature must be/],
  ["a length of 0", "sample @text.safetensors --length 0", /--length must be/],
  ["an unknown command", "trian @text.txt", /unknown command 'trian' \(Did you mean train\?\); --help/],
  ["help for an unknown command", "help trian", /unknown command; --help/],
  ["an unknown option", "train @text.txt --stepz 3", /unknown option '--stepz' \(Did you mean --steps\?\); --help/],
  ["an option without its value", "train @text.txt --steps", /option '--steps <n>' argument missing/],
  ["a missing argument", "train", /missing required argument 'file'/],
  ["one argument too many", "train @text.txt @one.txt", /too many arguments for 'train'/],
  ["a check of an unknown cell", "check nothing", /unknown cell "nothing"/],
  ["a check of a cell that cannot be traced", "check @bug.ts", /bug\.ts:5: Cannot read properties of undefined/],
  ["an inspection of an unknown cell", "inspect --cell nothing", /unknown cell "nothing"/],
];

function argumentsOf(text: string): string[] {
  return text.split(" ").map((arg) => arg.replace(/^@(.*)$/, (_, name: string) => space.file(name)));
}

test.each(TABLE)("%s", async (_title, args, message) => {
  const before = space.list();
  const { code, stdout, stderr } = await run(...argumentsOf(args));
  expect(stderr).toMatch(/^cellgrad: [^\n]+\n$/);
  expect(stderr).toMatch(message);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(space.list()).toEqual(before);
});

test("the program itself ends with the same line and code", async () => {
  const { code, stdout, stderr } = await start(space.path, ["train", "absent.txt", "--json"]);
  expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: "", stderr: "cellgrad: absent.txt: no such file\n" });
});
