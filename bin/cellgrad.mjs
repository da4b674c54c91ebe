#!/usr/bin/env node
/**
 * @file The `cellgrad` command. In a clone it runs the TypeScript sources; in the npm package, which has no sources, it
 * runs the compiled files.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const cache = fileURLToPath(new URL("../node_modules/.cache/jiti", import.meta.url));

async function loadCli() {
  if (!existsSync(source)) return import("../dist/cli/main.js");
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
