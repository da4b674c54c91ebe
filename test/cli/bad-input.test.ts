/**
 * @file Bad input: one clear line on standard error, exit code 2, nothing on standard output, and all files unchanged. The
 * rows are in tables in the folder bad-input, by subject: the input, and the error line.
 */
import { readFileSync, statSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { slow } from "../support/some-of.ts";
import { patternOf, rowsSaid } from "../trust/fault-table.ts";
import { badFiles } from "./bad-input/files.ts";
import { type BadInput, cells, data, models, outputs, tasks, usage, weights } from "./bad-input/tables.ts";
import { run, start, type Workspace } from "./run.ts";

let space: Workspace;
beforeAll(async () => {
  space = await badFiles();
});
afterAll(() => space.remove());

const tables: Readonly<Record<string, readonly BadInput[]>> = { usage, data, outputs, cells, models, weights, tasks };

describe.each(Object.entries(tables))("%s", (_, table) => {
  test.each(table)("%s", async (_given, command, line) => {
    const before = contents();
    const outcome = await run(...argumentsOf(command));
    expect(outcome).toEqual({ code: 2, stdout: "", stderr: expect.stringMatching(/^cellgrad: [^\n]+\n$/) });
    expect(outcome.stderr.replaceAll(`${space.path}/`, "")).toMatch(patternOf(`cellgrad: ${line}`));
    expect(contents()).toEqual(before);
  });
});

test("no row is there twice, and docs/trust.md says how many there are", () => {
  const rows = Object.values(tables).flat();
  expect(rowsSaid("cli/bad-input.test.ts")).toBe(rows.length);
  for (const column of [0, 1] as const) expect(new Set(rows.map((row) => row[column])).size).toBe(rows.length);
});

test("the program itself ends with the same line and code", slow, async () => {
  const { code, stdout, stderr } = await start(space.path, ["train", "absent.txt", "--json"]);
  expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: "", stderr: "cellgrad: absent.txt: no such file\n" });
});

test("a module that calls process.exit gives an error", slow, async () => {
  const outcome = await start(space.path, ["train", "text.txt", "--cell", "exit.ts"]);
  const stderr = "cellgrad: exit.ts calls process.exit while it is loaded; remove that call\n";
  expect(outcome).toEqual({ code: 2, stdout: "", stderr });
});

test("a device slower than --timeout gives one error line", async () => {
  const options = ["--device", "software", "--timeout", "0.00001"];
  const outcome = await run("sample", space.file("text.safetensors"), ...options);
  const line =
    "cellgrad: the device … has not answered for 0.00001 s when asked to compile the kernels of streamingStep: …";
  expect(outcome).toEqual({ code: 2, stdout: "", stderr: expect.stringMatching(patternOf(line)) });
});

/** Every file of the workspace, to the byte. */
function contents(): Readonly<Record<string, string>> {
  const files = space.list().filter((name) => statSync(space.file(name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(space.file(name), "latin1")]));
}

function argumentsOf(command: string): string[] {
  return command.split(" ").map((arg) => (arg === "''" ? "" : arg.replace("@", `${space.path}/`)));
}
