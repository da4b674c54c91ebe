/**
 * @file `npm run mutants`: applies every mutant of the catalog (test/mutants), one at a time, and runs the tests that
 * should catch it. Prints the mutants that survive; the exit code is 1 if there are any.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { createJiti } from "jiti";

const root = fileURLToPath(new URL("..", import.meta.url));
/** A file's path, as Vite writes it. */
const pathOf = (file) => join(root, file).replaceAll("\\", "/");

const count = (text) => {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("It must be a whole number above 0.");
  return Number(text);
};
const options = new Command("npm run mutants --")
  .description("Applies every mutant of the catalog and runs the tests that should catch it.")
  .option("--only <texts...>", "only mutants whose file or name contains one of these")
  .option("--from <n>", "start with the n-th of them", count, 1)
  .option("--lanes <n>", "mutants to try in parallel", count, 2)
  .option("--list", "print the mutants and run nothing")
  .option("--why", "print the message of the failing test")
  .addHelpText("after", "\nExample:\n  npm run mutants -- --only compiler/passes sigmoid")
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "mutants: ").replace(/\s*\n\s*(?=\S)/g, " ")),
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()
  .opts();

/** Prints an error line and exits. */
function fail(message) {
  console.error(`mutants: ${message}`);
  process.exit(2);
}

const jiti = createJiti(import.meta.url);
const { mutants } = await jiti.import("../test/mutants/catalog.ts");
const { mutated } = await jiti.import("../test/mutants/mutant.ts");
const { resolve, test: settings } = await jiti.import("../vitest.config.ts", { default: true });

const chosen = mutants.filter(
  ({ name, file }) => options.only?.some((text) => `${file}: ${name}`.includes(text)) ?? true,
);
if (chosen.length === 0) fail(`no mutant's file or name contains ${options.only.join(" or ")}; --list prints them all`);
if (options.list) {
  for (const { name, file } of chosen) console.log(`${file}: ${name}`);
  process.exit(0);
}
try {
  for (const mutant of chosen) mutated(readFileSync(pathOf(mutant.file), "utf8"), mutant);
} catch (error) {
  fail(error.message);
}

const { createVitest } = await import("vitest/node");

/** A separate Vitest instance whose sources contain one mutant at a time; all other files are transformed only once. */
class Lane {
  #vitest;
  #mutant;

  static async open() {
    const lane = new Lane();
    const mutant = {
      name: "mutant",
      enforce: "pre",
      transform: (text, id) =>
        lane.#mutant !== undefined && id.split("?")[0] === pathOf(lane.#mutant.file)
          ? { code: mutated(text, lane.#mutant), map: null }
          : undefined,
    };
    // A few random cells are enough to catch a mutant.
    const env = { CELLGRAD_CELLS: "25", CELLGRAD_SHRINK: "0" };
    // A mutant can loop forever.
    const limits = { bail: 1, maxWorkers: 1, testTimeout: 120_000 };
    // Without projects, which would bypass the plugin and share no transformed files.
    const config = {
      ...settings,
      projects: undefined,
      config: false,
      root,
      env,
      watch: false,
      ...limits,
      reporters: [{}],
    };
    lane.#vitest = await createVitest("test", config, { resolve, plugins: [mutant] });
    return lane;
  }

  /** The message of the first test that fails with this mutant, or undefined if all pass. */
  async failureOf(mutant, tests) {
    this.#put(mutant);
    try {
      for (const test of tests) {
        const failure = await this.#failureIn(test);
        if (failure !== undefined) return `${test}: ${failure.split("\n")[0]}`;
      }
      return undefined;
    } finally {
      this.#put(undefined);
    }
  }

  async #failureIn(test) {
    const specifications = await this.#vitest.globTestSpecifications([test]);
    if (specifications.length === 0) return "no such test";
    const { testModules, unhandledErrors } = await this.#vitest.runTestSpecifications(specifications);
    // testModules covers all runs so far.
    const ran = testModules.find(({ moduleId }) => moduleId === pathOf(test));
    return ran === undefined ? "it did not run" : (failureOf(ran) ?? unhandledErrors[0]?.message);
  }

  #put(mutant) {
    const file = (mutant ?? this.#mutant)?.file;
    this.#mutant = mutant;
    if (file !== undefined) this.#vitest.invalidateFile(pathOf(file));
  }

  close() {
    return this.#vitest.close();
  }
}

function failureOf(module) {
  if (module.ok()) return undefined;
  for (const test of module.children.allTests("failed"))
    return `${test.fullName}: ${test.result().errors?.[0]?.message ?? "failed"}`;
  const suites = [...module.children.allSuites()].flatMap((suite) => suite.errors());
  return [...module.errors(), ...suites][0]?.message ?? "failed";
}

const lanes = await Promise.all(Array.from({ length: options.lanes }, Lane.open));

// A test that fails without a mutant would catch every mutant.
const needed = [...new Set(chosen.flatMap(({ tests }) => tests))];
const failures = await Promise.all(
  lanes.map((lane, i) =>
    lane.failureOf(
      undefined,
      needed.filter((_, k) => k % lanes.length === i),
    ),
  ),
);
const broken = failures.find((failure) => failure !== undefined);
if (broken !== undefined) fail(`the tests fail without a mutant; fix this first: ${broken}`);

const survivors = [];
const waiting = [...chosen.entries()].slice(Math.max(0, options.from - 1));
const tried = waiting.length;
await Promise.all(
  lanes.map(async (lane) => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [number, mutant] = next;
      const failure = await lane.failureOf(mutant, mutant.tests);
      if (failure === undefined) survivors.push(`${mutant.file}: ${mutant.name}`);
      const outcome = failure === undefined ? "SURVIVED" : "caught  ";
      console.log(`${number + 1}/${chosen.length} ${outcome} ${mutant.file}: ${mutant.name}`);
      if (options.why && failure !== undefined) console.log(`    ${failure.slice(0, 300)}`);
    }
  }),
);
console.log(`\n${tried - survivors.length} of ${tried} mutants caught`);
for (const survivor of survivors) console.log(`survived: ${survivor}`);
await Promise.all(lanes.map((lane) => lane.close()));
process.exit(survivors.length === 0 ? 0 : 1);
