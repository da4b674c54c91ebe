/** @file The reference pages: their lists are complete, what they name is exported, and commands have the options they name. */
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { zoo } from "../../cells/zoo.ts";
import { opTable } from "../../compiler/ops/table.ts";
import * as cellgrad from "../../index.ts";
import { run } from "../cli/run.ts";
import { page } from "./pages.ts";

const ops = page("docs/reference/ops.md");
const inOps = [...ops.matchAll(/`([A-Za-z0-9]+)`/g)].map(([, name = ""]) => name);

test("every op of the table is named, by its own name or by what makes it", () => {
  const named = new Set(inOps);
  const missing = Object.keys(opTable).filter((op) => op !== "input" && !named.has(op));
  expect(missing).toEqual([]);
});

test("every function of compiler/ops that users can import is named", async () => {
  const folder = new URL("../../compiler/ops/", import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith(".ts"));
  const modules: object[] = await Promise.all(files.map((file) => import(new URL(file, folder).href)));
  const own = new Set(modules.flatMap((module) => Object.values(module)));
  const exported = Object.entries(cellgrad).filter(([, value]) => typeof value === "function" && own.has(value));
  expect(exported.length).toBeGreaterThan(60);
  const named = new Set([...inOps, "interpret", "traceGraph"]);
  expect(exported.map(([name]) => name).filter((name) => !named.has(name))).toEqual([]);
});

test("everything that the lists of ops, initializers and optimizers name is exported", () => {
  expect(inOps.length).toBeGreaterThan(90);
  expect(inOps.filter((name) => !(name in cellgrad))).toEqual([]);
});

test("the cells are those of the command line", () => {
  const table = [...page("docs/reference/cells.md").matchAll(/\[`([a-z0-9-]+)`\]\(\.\.\/\.\.\/cells\//g)];
  expect(table.map(([, name]) => name).toSorted()).toEqual(Object.keys(zoo).toSorted());
});

const commands = [...page("docs/reference/command-line.md").matchAll(/^\| `cellgrad ([a-z]+)[^`]*` \|(.*)\|$/gm)].map(
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

test("every script of package.json is in the table", () => {
  const { scripts } = JSON.parse(page("package.json")) as { scripts: Readonly<Record<string, string>> };
  const own = Object.keys(scripts).filter((name) => !/^(pre|post)/.test(name));
  const table = page("docs/reference/scripts.md");
  expect(own.filter((name) => !new RegExp(`\`npm (run )?${name}[ \`]`).test(table))).toEqual([]);
});
