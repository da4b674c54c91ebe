/**
 * @file Installs the benchmark's own dependencies (the libraries that cellgrad is compared with), once. Runs before
 * `npm run bench`, so it is limited to what Node itself has.
 */
import { spawnSync } from "node:child_process";
import { statSync, utimesSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL(".", import.meta.url));
/** npm writes this file when an installation is complete. */
const installed = new URL("node_modules/.package-lock.json", import.meta.url);
const lock = new URL("package-lock.json", import.meta.url);

function modified(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY;
}

if (modified(installed) < modified(lock) || modified(installed) === Number.NEGATIVE_INFINITY) {
  console.error("bench: installing what cellgrad is compared with (npm ci, once) ...");
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  // Under `npm run` the variables of the outer package would make npm work on that one.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle|config_local)/.test(name)),
  );
  const options = { cwd: folder, env, stdio: ["ignore", "ignore", "inherit"] };
  const result = npm?.endsWith(".js")
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
  if (result.status !== 0) {
    console.error(`bench: npm ci failed${result.error ? `: ${result.error.message}` : ""}`);
    process.exitCode = result.status ?? 1;
  } else {
    const now = new Date();
    utimesSync(installed, now, now);
  }
}
