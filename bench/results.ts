/** @file Writes result files. */
import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Writes JSON, in the repository's format if its formatter is installed. */
export async function writeJson(file: string, value: unknown): Promise<void> {
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`);
  spawnSync("npx", ["--no-install", "biome", "format", "--write", file], { cwd: dirname(file), stdio: "ignore" });
}
