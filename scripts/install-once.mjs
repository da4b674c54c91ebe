/**
 * @file Installs the dependencies of a folder with its own package.json and lock file, once. Only one npm script needs
 * them. This file uses only Node's built-in modules.
 */
import { spawnSync } from "node:child_process";
import { statSync, utimesSync } from "node:fs";
import { fileURLToPath } from "node:url";

const modified = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY;

/** `folder` is a URL that ends in a slash. Returns npm's exit status; prints what it does on standard error, after `prefix`. */
export function installOnce(folder, prefix, what) {
  // npm writes this file when an installation is complete.
  const installed = new URL("node_modules/.package-lock.json", folder);
  const lock = new URL("package-lock.json", folder);
  const when = modified(installed);
  if (when >= modified(lock) && when !== Number.NEGATIVE_INFINITY) return 0;
  console.error(`${prefix}: installing ${what} (npm ci, once) ...`);
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  // Without the variables of `npm run`, which would make npm work on the outer package.
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
