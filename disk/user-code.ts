/** @file Errors of code that is not this package's: their place in the user's files, and their message as it was meant. */
import { isAbsolute, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { inWords, messageOf } from "../compiler/graph/errors.ts";
import { ownFolders } from "../compiler/trace/site.ts";

const libraryRoot = fileURLToPath(new URL("..", import.meta.url));
/** In a stack, unlike in a graph, the built-in cells are no code of the user's; nor is what lies around the sources. */
const own = [...ownFolders, "cells", "dist", "index.ts", "node_modules", "test"];

/** The innermost line of the stack, as `file:line`, that belongs neither to this package nor to an installed one. */
export function placeInUserCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  for (const frame of (error.stack ?? "").split("\n")) {
    const found = /[\s(]((?:file:\/\/)?(?:\/|[A-Za-z]:[\\/])[^()]*):(\d+):\d+\)?$/.exec(frame);
    const file = found?.[1]?.startsWith("file://") ? fileURLToPath(found[1]) : found?.[1];
    if (file === undefined || !isUserFile(file)) continue;
    return `${shortPath(file)}:${found?.[2]}`;
  }
  return undefined;
}

function isUserFile(file: string): boolean {
  if (file.includes(`${sep}node_modules${sep}`)) return false;
  const inside = relative(libraryRoot, file);
  if (isAbsolute(inside) || inside.startsWith("..")) return true;
  return !own.includes(inside.split(sep)[0] ?? "");
}

/** A path as the user would write it: relative where the file is below the working directory. */
export function shortPath(file: string): string {
  const below = relative(process.cwd(), file);
  return below === "" || below.startsWith("..") || isAbsolute(below) ? file : below;
}

/** Compiled imports turn `f(x)` into `(0 , _module.f)(x)`, and engines quote that. */
export function plainMessage(error: unknown): string {
  const message = error instanceof Error || typeof error === "string" ? messageOf(error) : inWords(error);
  return message.replace(/\(0 ?, ?_\w+\.(\w+)\)/g, "$1");
}
