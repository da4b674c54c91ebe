/**
 * @file Installs the dependencies of a folder that has a package.json and a lock of its own, once. They are what only one npm
 * script needs. It is limited to what Node itself has.
 */
import { spawnSync } from "node:child_process";
import { statSync, utimesSync } from "node:fs";
import { fileURLToPath } from "node:url";

const modified = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY;

/** `folder` is a URL that ends in a slash. Gives the exit status of npm; says on standard error, after `prefix`, what is done. */
export function installOnce(folder, prefix, what) {
  // npm writes this file when an installation is complete.
  const installed = new URL("node_modules/.package-lock.json", folder);
  const lock = new URL("package-lock.json", folder);
  const when = modified(installed);
  if (when >= modified(lock) && when !== Number.NEGATIVE_INFINITY) return 0;
  console.error(`${prefix}: installing ${what} (npm ci, once) ...`);
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  // Under `npm run` the variables of the outer package would make npm work on that one.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle|config_local)/.test(name)),
  );
  const options = { cwd: fileURLToPath(folder), env, stdio: ["ignore", "ignore", "inherit"] };
  const result = npm?.endsWith(".js")
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync("npm", args, { ...options, shell: process.platform === "win32" });
  if (result.status !== 0) {
    console.error(`${prefix}: npm ci failed${result.error ? `: ${result.error.message}` : ""}`);
    return result.status ?? 1;
  }
  const now = new Date();
  utimesSync(installed, now, now);
  return 0;
}
