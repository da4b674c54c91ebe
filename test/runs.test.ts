/** @file The runs of the tests: each test belongs to exactly one of them, no file is left out, and continuous integration leaves out the long ones alone. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import settings from "../vitest.config.ts";
import { filtersOf, hasTags, isRead, tagsIn } from "./support/runs.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string) => readFileSync(join(root, path), "utf8");
const { scripts } = JSON.parse(read("package.json")) as { scripts: Readonly<Record<string, string>> };

/** The scripts that run tests by their tags, with their filters. */
const runs = Object.entries(scripts)
  .filter(([name, command]) => /^test(:\w+)?$/.test(name) && command.startsWith("vitest run"))
  .map(([name, command]) => ({ name, filters: filtersOf(command.split(" ")) }));
const parts = runs.filter(({ name }) => name !== "test:all");
const runsOf = (tags: readonly string[]) =>
  parts.flatMap(({ name, filters }) => (hasTags(filters, tags) ? [name] : []));

/** What Vitest takes for a tag of a whole file; here it must not stand in one piece. */
const header = "@module-" + "tag slow";
const vitestsOwn = new RegExp(`(//|\\*)\\s*${header}`);

/** All sets of tags that a test can have. */
const tagSets = [[], ["slow"], ["long"], ["slow", "long"]];

const files = ["test", "examples"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`),
);

test("a test belongs to exactly one run, whatever its tags, and one script runs all", () => {
  expect(tagSets.map(runsOf)).toEqual([["test"], ["test:slow"], ["test:long"], ["test:long"]]);
  expect(runs.find(({ name }) => name === "test:all")?.filters).toEqual([]);
  // Vitest itself refuses tags that are not in its settings.
  expect(settings.test?.tags?.map(({ name }) => name)).toEqual(["slow", "long"]);
});

test("continuous integration runs all that is not long", () => {
  const [, list = ""] = /^for run in (.+); do$/m.exec(read(".ci/run")) ?? [];
  const named = list.split(" ");
  expect(tagSets.map((tags) => runsOf(tags).some((name) => named.includes(name)))).toEqual([true, true, false, false]);
  // And counts the reports of these runs.
  for (const name of named) expect(read(".ci/run")).toContain(`"$reports/${name}.json"`);
});

test("a run reads each file that has tests of it", () => {
  expect(files.length).toBeGreaterThan(250);
  for (const file of files) {
    const text = read(file);
    const kinds = tagsIn(text);
    expect(kinds, file).not.toEqual([]);
    for (const tags of kinds)
      for (const { filters } of runs) expect(!hasTags(filters, tags) || isRead(filters, text), file).toBe(true);
    // What a file says of its tags is what `tagsIn` finds: they come from some-of.ts, or from the header.
    expect(text.replace(/^import .*some-of\.ts";$/m, ""), file).not.toMatch(/\btags:\s*(\[\s*)?["'](slow|long)/);
    if (vitestsOwn.test(text)) expect(kinds, file).not.toContainEqual([]);
  }
});

test.each([
  ["", [[]]],
  ['import { slow } from "../support/some-of.ts";\n', [[], ["slow"]]],
  ['import { fewOf, slowUnless } from "../../support/some-of.ts";\n', [[], ["slow"]]],
  ['import { long } from "../support/some-of.ts";\n', [[], ["long"], ["slow", "long"]]],
  ['import { someOf } from "../support/some-of.ts";\n', [[], ["slow"], ["long"], ["slow", "long"]]],
  [`/**\n * @file All.\n *\n * ${header}\n */\n`, [["slow"]]],
  [
    `/**\n * @file All.\n *\n * ${header}\n */\nimport { long } from "./some-of.ts";\n`,
    [["slow"], ["long"], ["slow", "long"]],
  ],
])("the tags in %j", (text, expected) => {
  expect(tagsIn(text)).toEqual(expected);
});
