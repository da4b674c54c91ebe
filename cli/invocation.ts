/**
 * @file Commands to go on with, as the shell that called takes them: by the name under which this program was started, with
 * quotes where a file's name needs them.
 */
import { basename, dirname, sep } from "node:path";
import { shortPath } from "../disk/user-code.ts";

/** A command of this program: its words, of which those that are files stand as they are. */
export function commandLine(...words: readonly string[]): string {
  return [invocation(process.argv[1]), ...words.map((word) => quoted(word))].join(" ");
}

/** How a program was started whose script this is. */
export function invocation(script = ""): string {
  const name = basename(script);
  if (name === "cellgrad") return dirname(script).split(sep).includes("node_modules") ? "npx cellgrad" : "cellgrad";
  if (name !== "cellgrad.mjs" || script.includes(`${sep}node_modules${sep}`)) return "npx cellgrad";
  return `node ${quoted(shortPath(script))}`;
}

/** A name that would be taken for an option is a path all the same. */
export const fileWord = (path: string): string => (path.startsWith("-") ? `./${path}` : path);

/** A word as a shell takes it. */
export function quoted(word: string, platform: string = process.platform): string {
  if (/^[\w@%+=:,./\\-]+$/.test(word) && (platform === "win32" || !word.includes("\\"))) return word;
  return platform === "win32" ? `"${word.replaceAll('"', '\\"')}"` : `'${word.replaceAll("'", "'\\''")}'`;
}
