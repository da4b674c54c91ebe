/** @file Errors thrown in user code: their location in the user's files, and their message without loader artefacts. */
import { isAbsolute, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { inWords, messageOf } from "../compiler/graph/errors.ts";
import { ownFolders } from "../compiler/trace/site.ts";

const libraryRoot = fileURLToPath(new URL("..", import.meta.url));
/** Folders that do not count as user code in a stack. Unlike in a graph, these include the built-in cells. */
const own = [...ownFolders, "cells", "dist", "index.ts", "node_modules", "test"];

/** The innermost stack frame, as `file:line`, that is neither in this package nor in an installed one. */
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

/** A path as the user would write it: relative if the file is below the working directory. */
export function shortPath(file: string): string {
  const below = relative(process.cwd(), file);
  return below === "" || below.startsWith("..") || isAbsolute(below) ? file : below;
}

/** The error's message, with `(0 , _module.f)(x)`, which compiled imports produce, turned back into `f(x)`. */
export function plainMessage(error: unknown): string {
  const message = error instanceof Error || typeof error === "string" ? messageOf(error) : inWords(error);
  return message.replace(/\(0 ?, ?_\w+\.(\w+)\)/g, "$1");
}
