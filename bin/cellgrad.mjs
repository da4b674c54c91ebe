#!/usr/bin/env node
/**
 * @file The `cellgrad` command. In a clone it runs the TypeScript sources; in the npm package, which has no sources, it
 * runs the compiled files.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const cache = fileURLToPath(new URL("../node_modules/.cache/jiti", import.meta.url));

async function loadCli() {
  if (!existsSync(source)) return import("../dist/cli/main.js");
  // A fresh clone installs its packages once, as each of its scripts does.
  if (!existsSync(new URL("../node_modules/.package-lock.json", import.meta.url))) {
    const setup = fileURLToPath(new URL("../scripts/setup.mjs", import.meta.url));
    const { status } = spawnSync(process.execPath, [setup], { stdio: ["ignore", 2, 2] });
    if (status !== 0) process.exit(status ?? 1);
  }
  const { createJiti } = await import("jiti");
  // Dropping comments keeps statements on their original lines, so that errors show the right line numbers.
  const transformOptions = { babel: { comments: false } };
  return createJiti(import.meta.url, { fsCache: cache, transformOptions }).import(source);
}

// A reader of the output, such as `head`, can stop before its end.
process.stdout.on("error", (error) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

const { main } = await loadCli();
// Not process.exit(), which would cut off pending writes to a pipe.
process.exitCode = await main(process.argv.slice(2));
