/** @file The README: its example runs, its lists are complete, and its commands have the options that it names. */
import { expect, test } from "vitest";
import { zoo } from "../../cells/zoo.ts";
import { opTable } from "../../compiler/ops/table.ts";
import * as cellgrad from "../../index.ts";
import { run } from "../cli/run.ts";
import { blocks, logged, page, replaced } from "./pages.ts";

const readme = page("README.md");

test("the example trains, as it stands but for fewer epochs and units", async () => {
  const [example = ""] = blocks(readme, "ts");
  const short = replaced(replaced(example, "epoch <= 10", "epoch <= 2"), "units: 32", "units: 8");
  const lines = await logged(short);
  const losses = lines.map((line) => Number(/^epoch \d+: held-out loss (\d\.\d\d)$/.exec(line)?.[1]));
  expect(losses).toHaveLength(2);
  const [first = Number.NaN, second = Number.NaN] = losses;
  expect(first).toBeLessThan(Math.log(57));
  expect(second).toBeLessThan(first);
});

test("every op of the table is named, by its own name or by what makes it", () => {
  const named = new Set([...readme.matchAll(/`([A-Za-z0-9]+)`/g)].map(([, name]) => name));
  const missing = Object.keys(opTable).filter((op) => op !== "input" && !named.has(op));
  expect(missing).toEqual([]);
});

test("everything that the lists name is exported", () => {
  const list = /## Ops, cells, optimizers\n(.*?)\n\| Cell/s.exec(readme)?.[1] ?? "";
  const names = [...list.matchAll(/`([A-Za-z0-9]+)`/g)].map(([, name = ""]) => name);
  const training = /^Optimizers are graphs.*$/m.exec(readme)?.[0] ?? "";
  names.push(...[...training.matchAll(/`([A-Za-z0-9]+)`/g)].map(([, name = ""]) => name));
  expect(names.length).toBeGreaterThan(80);
  expect(names.filter((name) => !(name in cellgrad))).toEqual([]);
});

const entries = [...readme.matchAll(/^\| `cellgrad\/([a-z]+)` \| (.*) \|$/gm)].map(
  ([, entry = "", about = ""]) =>
    [entry, [...about.matchAll(/`([A-Za-z0-9]+)`/g)].map(([, name = ""]) => name)] as const,
);

test.each(entries)("what is named of cellgrad/%s is exported there", async (entry, names) => {
  const exported: object = await import(`../../entries/${entry}.ts`);
  expect(names.length).toBeGreaterThan(0);
  expect(names.filter((name) => !(name in exported))).toEqual([]);
});

test("the cells are those of the command line", () => {
  const table = [...readme.matchAll(/\[`([a-z0-9-]+)`\]\(cells\//g)].map(([, name]) => name);
  expect(table.toSorted()).toEqual(Object.keys(zoo).toSorted());
});

const commands = [...readme.matchAll(/^\| `cellgrad ([a-z]+)[^`]*` \|(.*)\|$/gm)].map(
  ([, name = "", about = ""]) => [name, [...about.matchAll(/`(--[a-z-]+)`/g)].map(([, flag = ""]) => flag)] as const,
);

test("all commands are in the table", async () => {
  const { stdout } = await run("--help");
  const known = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name = ""]) => name).filter((name) => name !== "help");
  expect(commands.map(([name]) => name).toSorted()).toEqual(known.toSorted());
});

test.each(commands)("%s has the options that the table names, and no others", async (name, flags) => {
  const { stdout } = await run(name, "--help");
  const known = [...stdout.matchAll(/^ +(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag = ""]) => flag);
  expect(flags.toSorted()).toEqual(known.filter((flag) => flag !== "--help").toSorted());
});

test("the test command is npm test", () => {
  expect(readme).toContain("| `npm test` |");
});
