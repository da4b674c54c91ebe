/**
 * @file Finds the line of the user's file that wrote an op, by walking the stack past this library's own folders. The
 * cells in `cells/` count as user code: their lines are what a reader wants to see. In a bundle the library is one file,
 * this one, so what lies elsewhere is the user's.
 */
import type { Site } from "../graph/graph.ts";

/** The folders of this library whose lines nobody who wrote a cell wants to see. */
export const ownFolders = [
  "bin",
  "cli",
  "compiler",
  "entries",
  "interchange",
  "runtime",
  "shaders",
  "testing",
  "train",
];
const libraryRoot = import.meta.url.replace(/compiler\/trace\/site\.[jt]s$/, "").replace(/^file:\/\//, "");
/** A line of a stack, as V8 ("at f (file:1:2)") or as Firefox and Safari ("f@file:1:2") write it. */
const framePattern = /(?:^[^@\s]*@|^|[\s(])(?:file:\/\/)?([^\s()]+):(\d+):(\d+)\)?$/;

let inherited: Site | undefined;

/** Nodes that `body` adds belong to `site`: what a pass or a derivative makes of a node keeps the node's own line. */
export function atSite<T>(site: Site | undefined, body: () => T): T {
  const before = inherited;
  inherited = site ?? before;
  try {
    return body();
  } finally {
    inherited = before;
  }
}

let looks = true;

/** Nodes that `body` adds get no line unless `atSite` names one: nobody's code is on the stack while a pass runs. */
export function withoutCallSites<T>(body: () => T): T {
  const before = looks;
  looks = false;
  try {
    return body();
  } finally {
    looks = before;
  }
}

interface StackLimit {
  stackTraceLimit?: number;
}

export function callSite(): Site | undefined {
  if (inherited !== undefined || !looks) return inherited;
  // The default of ten frames can end inside the library when a cell is traced through several layers.
  const limit = Error as StackLimit;
  const before = limit.stackTraceLimit;
  limit.stackTraceLimit = 40;
  const stack = new Error().stack ?? "";
  if (before !== undefined) limit.stackTraceLimit = before;
  let ownFile: string | undefined;
  for (const line of stack.split("\n")) {
    const place = framePattern.exec(line.trim());
    if (place === null) continue;
    const file = place[1] ?? "";
    // The first frame is this function.
    ownFile ??= file;
    if (file === ownFile || file.startsWith("node:")) continue;
    if (ownFolders.some((folder) => file.startsWith(`${libraryRoot}${folder}/`))) continue;
    const short = file.startsWith(libraryRoot) ? file.slice(libraryRoot.length) : file;
    // Installed packages that call into the library (command line parsers, test runners) wrote no op.
    if (short.includes("node_modules/")) continue;
    return `${short}:${place[2]}:${place[3]}`;
  }
  return undefined;
}
