/** @file A Vitest that stays open and runs tests with one mutant at a time, or with none. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";

export const root = fileURLToPath(new URL("../..", import.meta.url));
/** A file's path, as Vite writes it. */
export const pathOf = (file) => join(root, file).replaceAll("\\", "/");
const jiti = createJiti(import.meta.url);
const { mutated } = await jiti.import("../../test/mutants/mutant.ts");
const { resolve, test: settings } = await jiti.import("../../vitest.config.ts", { default: true });

/** Throws where the text that a mutant replaces is not in its file, or is there more than once. */
export const checkMutant = (mutant) => mutated(readFileSync(pathOf(mutant.file), "utf8"), mutant);

/** A separate Vitest instance whose sources contain one mutant at a time; all other files are transformed only once. */
export class Lane {
  #vitest;
  #mutant;
  /** Whether the tests have read the file with the mutant in it. */
  #isRead = false;

  static async open() {
    const { createVitest } = await import("vitest/node");
    const lane = new Lane();
    const mutant = {
      name: "mutant",
      enforce: "pre",
      transform: (text, id) => {
        if (lane.#mutant === undefined || id.split("?")[0] !== pathOf(lane.#mutant.file)) return undefined;
        lane.#isRead = true;
        return { code: mutated(text, lane.#mutant), map: null };
      },
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
      // What is kept by the contents of a file knows no mutant.
      experimental: { fsModuleCache: false },
    };
    lane.#vitest = await createVitest("test", config, { resolve, plugins: [mutant] });
    return lane;
  }

  /**
   * Runs the tests of a file, or those of the given names, with a mutant or, where it is undefined, without. Returns the
   * first failure, as `{ test, kind, message }` (the test is undefined where the file itself fails, the kind is the name of
   * the error), the milliseconds of each test that passed, and whether a test has read the mutant.
   */
  async run(mutant, { file, names }) {
    this.#put(mutant);
    try {
      const chosen = names && { testNamePattern: new RegExp(`^(?:${names.map(escaped).join("|")})$`) };
      const specification = this.#vitest.getRootProject().createSpecification(pathOf(file), chosen);
      const { testModules, unhandledErrors } = await this.#vitest.runTestSpecifications([specification]);
      // testModules covers all runs so far.
      const ran = testModules.find(({ moduleId }) => moduleId === pathOf(file));
      const isRead = this.#isRead;
      if (ran === undefined) return { failure: { message: "it did not run" }, times: {}, isRead };
      const [stray] = unhandledErrors;
      return { failure: failureOf(ran) ?? (stray && { message: stray.message }), times: timesOf(ran), isRead };
    } finally {
      this.#put(undefined);
    }
  }

  #put(mutant) {
    const file = (mutant ?? this.#mutant)?.file;
    this.#mutant = mutant;
    this.#isRead = false;
    if (file !== undefined) this.#vitest.invalidateFile(pathOf(file));
  }

  close() {
    return this.#vitest.close();
  }
}

function escaped(text) {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/** A test's name with those of its suites, as Vitest compares it with a pattern. */
function nameOf({ name, parent }) {
  return parent.type === "module" ? name : `${nameOf(parent)} ${name}`;
}

function timesOf(module) {
  return Object.fromEntries(
    [...module.children.allTests("passed")].map((test) => [nameOf(test), Math.ceil(test.diagnostic().duration)]),
  );
}

function failureOf(module) {
  if (module.ok()) return undefined;
  for (const failed of module.children.allTests("failed")) {
    const [error] = failed.result().errors ?? [];
    return { test: nameOf(failed), kind: error?.name, message: `${failed.fullName}: ${error?.message ?? "failed"}` };
  }
  const [error] = [...module.errors(), ...[...module.children.allSuites()].flatMap((suite) => suite.errors())];
  return { kind: error?.name, message: error?.message ?? "failed" };
}
