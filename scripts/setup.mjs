/**
 * @file Installs the dependencies of a fresh clone, once, so that every npm script works right away. Each script's `pre`
 * script runs this file, so it uses only Node's built-in modules.
 */
import { spawnSync } from "node:child_process";
import { statSync, utimesSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
/** npm writes this file when an installation is complete. */
const installed = new URL("../node_modules/.package-lock.json", import.meta.url);
const lock = new URL("../package-lock.json", import.meta.url);

function modified(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY;
}

function install() {
  const command = statSync(lock, { throwIfNoEntry: false }) ? "ci" : "install";
  console.log(`cellgrad: installing dependencies (npm ${command}, once) ...`);
  const args = [command, "--no-audit", "--no-fund", "--loglevel=error"];
  // Under `npm run`, npm_execpath is npm's own script: the same npm, and no npm.cmd to find on Windows.
  const npm = process.env.npm_execpath;
  const stdio = ["ignore", "ignore", "inherit"];
  const result = npm?.endsWith(".js")
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio })
    : spawnSync("npm", args, { cwd: root, stdio, shell: process.platform === "win32" });
  if (result.status !== 0) {
    console.error(`cellgrad: npm ${command} failed${result.error ? `: ${result.error.message}` : ""}.`);
    return result.status ?? 1;
  }
  // npm can keep the old time if nothing changed; without this, every script would install again.
  const now = new Date();
  utimesSync(installed, now, now);
  return 0;
}

if (modified(installed) < modified(lock) || modified(installed) === Number.NEGATIVE_INFINITY) {
  process.exitCode = install();
}
