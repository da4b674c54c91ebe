/**
 * @file Suggested follow-up commands, ready to paste into the calling shell: with the name this program was started by, and
 * quotes around file names that need them.
 */
import { basename, dirname, sep } from "node:path";
import { shortPath } from "../disk/user-code.ts";

/** A command line of this program; each word is quoted if the shell needs it. */
export function commandLine(...words: readonly string[]): string {
  return [invocation(process.argv[1]), ...words.map((word) => quoted(word))].join(" ");
}

/** How the program with this script was started. */
export function invocation(script = ""): string {
  const name = basename(script);
  if (name === "cellgrad") return dirname(script).split(sep).includes("node_modules") ? "npx cellgrad" : "cellgrad";
  if (name !== "cellgrad.mjs" || script.includes(`${sep}node_modules${sep}`)) return "npx cellgrad";
  return `node ${quoted(shortPath(script))}`;
}

/** A file name as an argument: one that starts with "-" gets "./", so that it is not read as an option. */
export const fileWord = (path: string): string => (path.startsWith("-") ? `./${path}` : path);

/** A word quoted for the shell of the platform. */
export function quoted(word: string, platform: string = process.platform): string {
  if (/^[\w@%+=:,./\\-]+$/.test(word) && (platform === "win32" || !word.includes("\\"))) return word;
  return platform === "win32" ? `"${word.replaceAll('"', '\\"')}"` : `'${word.replaceAll("'", "'\\''")}'`;
}
