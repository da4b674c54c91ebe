/** @file `cellgrad compile`: a trained model becomes files that run without cellgrad and give the text of `cellgrad sample`. */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run, SERIES, TEXT, TINY, Workspace } from "./run.ts";

const cellOfOnesOwn = `import { add, cell, dense, tanh } from "cellgrad";
export default cell("mine", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const next = tanh(dense("all", [x, h], units));
  return { state: { h: next }, output: add(next, h) };
});
`;

let space: Workspace;
const at = (name: string) => space.file(name);
beforeAll(async () => {
  space = new Workspace({
    "text.txt": TEXT,
    "series.csv": SERIES,
    "mine.ts": cellOfOnesOwn,
    "package.json": '{ "type": "module" }',
  });
  const rows = TINY.filter((word, i) => word !== "--embed" && TINY[i - 1] !== "--embed");
  const runs = [
    ["text.txt", ...TINY, "--cell", at("mine.ts"), "--out", at("text.safetensors")],
    ["series.csv", ...rows, "--out", at("series.safetensors")],
  ];
  for (const [file = "", ...options] of runs) {
    const { code, stderr } = await run("train", at(file), ...options);
    if (code !== 0) throw new Error(stderr);
  }
  // The model is all that is needed.
  writeFileSync(at("mine.ts"), "throw new Error('the source is gone');");
});
afterAll(() => space.remove());

/** What a program in the folder prints. */
async function printed(name: string, program: string): Promise<string> {
  space.write(name, program);
  return (await promisify(execFile)(process.execPath, [at(name)])).stdout;
}

test("a model with a custom cell writes the same text as cellgrad sample", async () => {
  const outcome = await run("compile", at("text.safetensors"), "--to", "wasm", "--out", at("page/models"));
  const saved = ["wasm", "js", "d.ts"].map((ending) => at(`page/models/text.${ending}`));
  expect(outcome).toEqual({
    code: 0,
    stderr: "",
    stdout: `${at("text.safetensors")}: mine, 1 layer of 4 units\nsaved ${saved.join(", ")}; use it with: import { load } from "./text.js"\n`,
  });
  const text = await printed(
    "write.js",
    `import { load } from "./page/models/text.js";
const model = await load();
process.stdout.write("the " + [...model.sample({ prompt: "the ", length: 40 })].join("") + "\\n");`,
  );
  const sampled = await run("sample", at("text.safetensors"), "--prompt", "the ", "--length", "40", "--device", "cpu");
  expect(sampled).toMatchObject({ code: 0, stdout: text });
  expect(readFileSync(at("page/models/text.d.ts"), "utf8")).toContain('readonly "layers/0/h": readonly [1, 4];');
});

test("a series model forecasts the same as cellgrad forecast, and --json lists the files", async () => {
  const { stdout } = await run("compile", at("series.safetensors"), "--to", "wasm", "--out", space.path, "--json");
  const files = ["wasm", "js", "d.ts"].map((ending) => at(`series.${ending}`));
  const bytes = readFileSync(at("series.wasm")).length;
  const about = "lstm, 1 layer of 4 units";
  expect(JSON.parse(stdout)).toEqual({ to: "wasm", about, batch: 1, bytes, files });
  const past = SERIES.trim()
    .split("\n")
    .slice(1)
    .map((row) => row.split(",").map(Number));
  const program = `import { load } from "./series.js";
console.log(JSON.stringify((await load()).forecast(${JSON.stringify(past)}, 3)));`;
  const rows = JSON.parse(await printed("forecast.js", program)) as number[][];
  const options = ["--horizon", "3", "--device", "cpu", "--json"];
  const expected = JSON.parse(
    (await run("forecast", at("series.safetensors"), at("series.csv"), ...options)).stdout,
  ).values;
  // The command prints the digits that f32 holds.
  for (const [i, x] of rows.flat().entries()) expect(x).toBeCloseTo(expected.flat()[i], 5);
});

test("the model file is never overwritten, whatever its name", async () => {
  const bytes = readFileSync(at("text.safetensors"));
  space.write("book.wasm", bytes);
  const outcome = await run("compile", at("book.wasm"), "--to", "wasm", "--out", space.path);
  const line = `cellgrad: --out ${at("book.wasm")} is an input file; give another name\n`;
  expect(outcome).toEqual({ code: 2, stdout: "", stderr: line });
  expect(readFileSync(at("book.wasm"))).toEqual(bytes);
  expect(space.list()).not.toContain("book.js");
});

test("--batch runs sequences side by side, and existing files are replaced", async () => {
  const command = ["compile", at("text.safetensors"), "--to", "wasm", "--out", space.path];
  for (const batch of ["1", "3"]) await run(...command, "--batch", batch);
  const shapes = `import { load } from "./text.js";\nconsole.log(JSON.stringify((await load()).shapes));`;
  expect(JSON.parse(await printed("shapes.js", shapes))).toMatchObject({ x: [3], states: { "layers/0/h": [3, 4] } });
});
