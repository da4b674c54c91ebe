/** @file Untrusted names (in models, cells, columns) reach a terminal escaped and shortened. */
import { expect, test } from "vitest";
import { escapeControls } from "../../cli/streams.ts";
import { loadModel } from "../../entries/node.ts";
import { run, SERIES, TINY, Workspace } from "../cli/run.ts";

/** Clears the screen, sets the title, changes the writing direction, and both controls in one character. */
const steering = "\u001b[2J\u001b]0;title\u0007\u202e\u009b\u2028\r";
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const steers = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/;

test("control characters are escaped as in JSON; letters of any language, emoji, tabs and line feeds stay", () => {
  expect(escapeControls(steering)).toBe("\\u001b[2J\\u001b]0;title\\u0007\\u202e\\u009b\\u2028\\u000d");
  const plain = "naïve\t日本語 עברית 👩‍👩‍👧\n";
  expect(escapeControls(plain)).toBe(plain);
  expect(JSON.parse(escapeControls(JSON.stringify({ steering, plain })))).toEqual({ steering, plain });
});

test("columns, cells and states with such names are trained, saved, forecast and exported without a control character", async () => {
  const name = JSON.stringify(`mine${steering}`);
  const space = new Workspace({
    "rows.csv": SERIES.replace("a,b", `a${steering.replace("\r", "")},b`),
    "mine.ts": `import { cell, dense, tanh } from "cellgrad";
export default cell(${name}, { state: ({ units }) => ({ [${name}]: [units] }) }, ({ x, units, ...rest }) => {
  const next = tanh(dense("in", [x, rest[${name}]], units));
  return { state: { [${name}]: next }, output: next };
});`,
  });
  const [rows, out, cell] = [space.file("rows.csv"), space.file("m.safetensors"), space.file("mine.ts")];
  const said = [];
  for (const args of [
    ["train", rows, ...TINY.filter((_, i) => ![4, 5].includes(i)), "--cell", cell, "--out", out],
    ["train", rows, ...TINY.filter((_, i) => ![4, 5].includes(i)), "--cell", cell, "--json"],
    ["forecast", out, rows, "--device", "interpreter", "--horizon", "2"],
    ["forecast", out, rows, "--device", "interpreter", "--horizon", "2", "--json"],
    ["export", out, "--to", "onnx", "--out", space.file("m.onnx")],
    ["train", rows, "--resume", out, "--device", "interpreter"],
    ["inspect", "--cell", cell, "--units", "4"],
    ["check", cell, "--cases", "2", "--units", "2"],
  ]) {
    const { stdout, stderr } = await run(...args);
    said.push(stdout, stderr);
    expect(stdout + stderr, args.join(" ")).not.toMatch(steers);
  }
  expect((await loadModel(out)).cell).toBe("mine?[2J?]0;title?????");
  expect(said.join("")).toContain("--resume: mine?[2J?]0;title????? is not a built-in cell");
  expect(said.join("")).toContain("\\u001b");
  space.remove();
});

test("an error line on a terminal is shortened", async () => {
  const { stderr } = await run("train", "x".repeat(200_000));
  expect(stderr.length).toBeLessThan(2000);
  expect(stderr).toMatch(/^cellgrad: x+ … x+: the name is too long\n$/);
});
