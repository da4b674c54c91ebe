/**
 * @file Writes the API reference, a folder of HTML, from the docstrings of all entries: `npm run docs` (into dist-docs/),
 * or `node scripts/docs.mjs FOLDER`.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const { exports } = JSON.parse(readFileSync(new URL("../deno.json", import.meta.url), "utf8"));
const [given, ...more] = process.argv.slice(2);
if (given?.startsWith("-") || given === "" || more.length > 0) {
  console.error(`docs: expected one folder at most, got ${process.argv.slice(2).join(" ")}`);
  process.exit(2);
}
const folder = resolve(given ?? fileURLToPath(new URL("../dist-docs", import.meta.url)));
const deno = createRequire(import.meta.url).resolve("deno/bin.cjs");
const args = ["doc", "--quiet", "--html", "--name=cellgrad", `--output=${folder}`, ...Object.values(exports)];
const { status } = spawnSync(process.execPath, [deno, ...args], { cwd: root, stdio: "inherit" });
process.exitCode = status ?? 1;
