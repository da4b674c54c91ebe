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
const folder = resolve(process.argv[2] ?? fileURLToPath(new URL("../dist-docs", import.meta.url)));
const deno = createRequire(import.meta.url).resolve("deno/bin.cjs");
const args = ["doc", "--quiet", "--html", "--name=cellgrad", `--output=${folder}`, ...Object.values(exports)];
const { status } = spawnSync(process.execPath, [deno, ...args], { cwd: root, stdio: "inherit" });
process.exitCode = status ?? 1;
