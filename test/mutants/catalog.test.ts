/** @file The catalog of mutants fits the sources: what a mutant replaces stands there once, and its tests exist. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { mutants } from "./catalog.ts";
import { mutated } from "./mutant.ts";

const pathOf = (file: string) => fileURLToPath(new URL(`../../${file}`, import.meta.url));
const sources = new Map<string, string>();

function sourceOf(file: string): string {
  const text = sources.get(file) ?? readFileSync(pathOf(file), "utf8");
  sources.set(file, text);
  return text;
}

test("every mutant changes its file", () => {
  const faults = mutants.flatMap((mutant) => {
    try {
      return mutated(sourceOf(mutant.file), mutant) === sourceOf(mutant.file) ? [`${mutant.name}: no change`] : [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
  expect(faults).toEqual([]);
});

test("docs/reference/scripts.md and docs/trust.md say how many there are", () => {
  expect(sourceOf("docs/reference/scripts.md")).toContain(`breaks the code in ${mutants.length} ways`);
  const [, section = ""] = sourceOf("docs/trust.md").split("## Mutants");
  expect(section).toContain(`of ${mutants.length} ways to break the code`);
  const counts = [...(section.split("\n## ")[0]?.matchAll(/^\| \[.*?\| (\d+) \|/gm) ?? [])];
  expect(counts.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(mutants.length);
});

test("no two have one name, and all tests exist", () => {
  const names = mutants.map(({ file, name }) => `${file}: ${name}`);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  const tests = new Set(mutants.flatMap((mutant) => mutant.tests));
  expect([...tests].filter((file) => !existsSync(pathOf(file)))).toEqual([]);
});
