import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { patience } from "./test/support/patience.ts";

export default defineConfig({
  // Examples and tests may import the package by its own name; in a clone that is the source, built or not.
  resolve: {
    alias: [
      { find: /^cellgrad$/, replacement: fileURLToPath(new URL("./index.ts", import.meta.url)) },
      { find: /^cellgrad\/(.*)$/, replacement: fileURLToPath(new URL("./entries/$1.ts", import.meta.url)) },
    ],
  },
  test: {
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    // A process each: a driver that crashes takes one test file with it, not the run.
    pool: "forks",
    // Software adapters are themselves multithreaded.
    maxWorkers: 2,
    // No test is about speed, and a machine may be busy: these end only what hangs. A wait within a test ends before the
    // test does, and says what it was for.
    testTimeout: 2 * patience,
    hookTimeout: 2 * patience,
    teardownTimeout: 2 * patience,
    expect: { poll: { timeout: patience, interval: 50 } },
    // `npm run coverage`: a report, and no goal.
    coverage: {
      provider: "v8",
      include: ["compiler/**/*.ts", "runtime/**/*.ts", "shaders/**/*.ts", "train/**/*.ts"],
      reporter: ["text-summary", "html"],
      reportsDirectory: "coverage",
    },
  },
});
