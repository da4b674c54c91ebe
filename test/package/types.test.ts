/**
 * @file The type checker refuses what refused-types.ts says, and every function that takes options has its row.
 *
 * @module-tag slow
 */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("types refuse what they should, and let through the rest", async () => {
  const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
  const compiler = join(dirname(manifest), "bin/tsc");
  const project = fileURLToPath(new URL("types.json", import.meta.url));
  const checked = promisify(execFile)(process.execPath, [compiler, "--noEmit", "-p", project]);
  const said = await checked.then(
    ({ stdout }) => stdout,
    (error: { readonly stdout: string }) => error.stdout,
  );
  expect(said).toBe("");
});
