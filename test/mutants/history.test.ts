/** @file What runs first for a mutant: the test that caught it last, quick tests, short files; and at last every test. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { History } from "../../scripts/mutants/history.ts";
import type { Mutant } from "./mutant.ts";

const folder = mkdtempSync(join(tmpdir(), "cellgrad-test-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, "cache", "mutants.json");
const mutant: Mutant = {
  name: "none is left",
  file: "a.ts",
  replace: ["a", "b"],
  tests: ["long.test.ts", "short.test.ts"],
};

test("nothing is known at first: files as they are named", () => {
  const history = new History(join(folder, "none.json"));
  expect(history.isTimed("long.test.ts")).toBe(false);
  expect(history.partsFor(mutant)).toEqual([{ file: "long.test.ts" }, { file: "short.test.ts" }]);
});

test("then short files before long ones, of which quick tests begin, and first the one that caught it", () => {
  const history = new History(path);
  history.noteTimes("long.test.ts", { slow: 10_000, quick: 900, "as quick": 1_000, "a second more": 1_001 });
  history.noteTimes("short.test.ts", { one: 700 });
  const quick = { file: "long.test.ts", names: ["quick", "as quick"] };
  const all = [{ file: "short.test.ts" }, { file: "long.test.ts" }];
  expect(history.partsFor(mutant)).toEqual([quick, ...all]);
  expect([history.isLong("long.test.ts"), history.isLong("short.test.ts")]).toEqual([true, false]);

  history.noteCatch(mutant, "long.test.ts", "slow");
  const later = new History(path);
  expect(later.isTimed("short.test.ts")).toBe(true);
  expect(later.partsFor(mutant)).toEqual([{ file: "long.test.ts", names: ["slow"] }, quick, ...all]);
  expect(later.partsFor({ ...mutant, name: "another" })).toEqual([quick, ...all]);
  expect(later.partsFor({ ...mutant, tests: ["short.test.ts"] })).toEqual([{ file: "short.test.ts" }]);
});

test("of a file that takes minutes a sixteenth is quick", () => {
  const history = new History(join(folder, "other.json"));
  history.noteTimes("long.test.ts", { slow: 60_000, quick: 2_900, "a second more": 1_001 });
  expect(history.partsFor(mutant)[0]).toEqual({ file: "long.test.ts", names: ["a second more", "quick"] });
});

test("a file that is no record is as none", () => {
  writeFileSync(path, '{"times": {"long.te');
  expect(new History(path).isTimed("long.test.ts")).toBe(false);
});
