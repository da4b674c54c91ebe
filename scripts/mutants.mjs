/**
 * @file `npm run mutants`: breaks the code in every way of the catalog (test/mutants), one at a time, and runs the tests
 * that should notice. Prints the mutants that no test caught; the exit code is 1 where there are any.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { createJiti } from "jiti";

const root = fileURLToPath(new URL("..", import.meta.url));
const { mutants } = await createJiti(import.meta.url).import("../test/mutants/catalog.ts");
const options = new Command("npm run mutants --")
  .description("Breaks the code in every way of the catalog and runs the tests that should notice.")
  .option("--only <text>", "only mutants whose name or file contains this")
  .option("--from <n>", "begin with the n-th of them", Number, 1)
  .option("--list", "print the mutants and run nothing")
  .parse()
  .opts();

const chosen = mutants
  .map((mutant, i) => ({ ...mutant, i }))
  .filter(({ name, file }) => options.only === undefined || `${file} ${name}`.includes(options.only));
if (chosen.length === 0) {
  console.error(`no mutant's name or file contains ${JSON.stringify(options.only)}; --list prints them all`);
  process.exit(2);
}
if (options.list) {
  for (const { name, file } of chosen) console.log(`${file}: ${name}`);
  process.exit(0);
}

/** Runs tests with the mutant at a place of the catalog, or with none. A mutant that changes cells is seen in a few. */
function runTests(tests, place) {
  const args = ["vitest", "run", "--config", "test/mutants/config.ts", "--bail", "1", "--reporter", "json", ...tests];
  const env = { ...process.env, CELLGRAD_MUTANT: String(place), CELLGRAD_CELLS: "25", CELLGRAD_SHRINK: "0" };
  return spawnSync("npx", args, { cwd: root, env, encoding: "utf8" });
}

// A test that fails without a mutant would catch every one.
const needed = [...new Set(chosen.flatMap(({ tests }) => tests))];
if (runTests(needed, "none").status !== 0) {
  console.error(`the code as it is does not pass ${needed.join(", ")}; mend that first`);
  process.exit(2);
}

const survivors = [];
const first = Math.max(0, options.from - 1);
for (const [done, { i, name, file, tests }] of [...chosen.entries()].slice(first)) {
  const { stdout, stderr, status } = runTests(tests, i);
  const stale = /mutant ".*": its text stands \d+ times in .*/.exec(stdout + stderr)?.[0];
  if (stale !== undefined) {
    console.error(stale);
    process.exit(2);
  }
  const caught = status !== 0;
  if (!caught) survivors.push(`${file}: ${name}`);
  console.log(`${done + 1}/${chosen.length} ${caught ? "caught  " : "SURVIVED"} ${file}: ${name}`);
}
const tried = chosen.length - first;
console.log(`\n${tried - survivors.length} of ${tried} mutants caught`);
for (const survivor of survivors) console.log(`survived: ${survivor}`);
process.exit(survivors.length === 0 ? 0 : 1);
