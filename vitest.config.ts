import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { patience } from "./test/support/patience.ts";
import { filtersOf, isRead } from "./test/support/runs.ts";

const root = fileURLToPath(new URL(".", import.meta.url));
/** What would change its process for the files after it: replaced modules, clocks, globals, variables for drivers. */
const changesItsProcess =
  /\bvi\.(mock|doMock|stubGlobal|stubEnv|useFakeTimers)\(|defineProperty\((globalThis|process)\b|process\.env\.\w+ = |process\.chdir\(/;
/** Files alone in a process are begun before the others, as it should be with these. */
const first = [
  "test/browser/playground.test.ts",
  "test/browser/kept.test.ts",
  "test/browser/playground-access.test.ts",
  "test/population/training.test.ts",
  "test/testing/random-cells.test.ts",
];
const filters = filtersOf(process.argv);
const read = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => ({ name: `test/${name.replaceAll("\\", "/")}`, text: readFileSync(join(root, "test", name), "utf8") }))
  .filter(({ text }) => isRead(filters, text));
const alone = read.flatMap(({ name, text }) => (first.includes(name) || changesItsProcess.test(text) ? [name] : []));

export default defineConfig({
  // Examples and tests may import the package by its own name; in a clone that is the source, built or not.
  resolve: {
    alias: [
      { find: /^cellgrad$/, replacement: fileURLToPath(new URL("./index.ts", import.meta.url)) },
      { find: /^cellgrad\/(.*)$/, replacement: fileURLToPath(new URL("./entries/$1.ts", import.meta.url)) },
    ],
  },
  test: {
    // Processes: a driver that crashes takes one test file with it, not the run, for what comes after gets another. Most
    // files follow one another in a process, which has imported and compiled most of what they need.
    pool: "forks",
    projects: [
      { extends: true, test: { name: "alone", include: alone } },
      {
        extends: true,
        test: {
          name: "together",
          include: [...read.map(({ name }) => name), ...(isRead(filters, "") ? ["examples/**/*.test.ts"] : [])],
          exclude: alone,
          isolate: false,
        },
      },
    ],
    tags: [
      {
        name: "slow",
        description: "browsers, processes, whole trainings, large kernels on an emulated GPU: npm run test:slow",
      },
      {
        name: "long",
        description: "cross products, random searches and whole tables of what other tests check: npm run test:long",
      },
    ],
    // Transpiled sources are kept for the next run, by their contents.
    experimental: { fsModuleCache: true },
    // Software adapters are themselves multithreaded; others wait for a browser or a process meanwhile.
    maxWorkers: 3,
    // No test is about speed, and a machine may be busy: these end only what hangs. A wait within a test ends before the
    // test does, and says what it was for.
    testTimeout: 2 * patience,
    hookTimeout: 2 * patience,
    teardownTimeout: 2 * patience,
    expect: { poll: { timeout: patience, interval: 50 } },
    // `npm run coverage`: a report, and no goal.
    coverage: {
      provider: "v8",
      include: [
        "compiler/**/*.ts",
        "devices/**/*.ts",
        "runtime/**/*.ts",
        "shaders/**/*.ts",
        "wasm/**/*.ts",
        "train/**/*.ts",
      ],
      reporter: ["text-summary", "html"],
      reportsDirectory: "coverage",
    },
  },
});
