#!/usr/bin/env node
/**
 * @file The `cellgrad` command. In a clone it runs the TypeScript source as it is; the npm package ships no source, and
 * there it runs the compiled files.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const source = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const cache = fileURLToPath(new URL("../node_modules/.cache/jiti", import.meta.url));

async function loadCli() {
  if (!existsSync(source)) return import("../dist/cli/main.js");
  const { createJiti } = await import("jiti");
  // Without their comments, statements stay on the lines on which they were written, and errors name those.
  const transformOptions = { babel: { comments: false } };
  return createJiti(import.meta.url, { fsCache: cache, transformOptions }).import(source);
}

// Whoever reads the output may stop before its end, as `head` does.
process.stdout.on("error", (error) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

const { main } = await loadCli();
// Not process.exit(): what is still being written to a pipe would be cut off.
process.exitCode = await main(process.argv.slice(2));
