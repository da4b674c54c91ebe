/**
 * @file Finds the line of the user's file that called an op, by walking the stack past this library's own folders. The
 * cells in `cells/` count as user code: readers want to see their lines. In a bundle the library is one file, this one,
 * so every other file is the user's.
 */
import type { Site } from "../graph/graph.ts";

/** The library's own folders, whose lines do not help the author of a cell. */
export const ownFolders = [
  "bin",
  "cli",
  "compiler",
  "devices",
  "disk",
  "entries",
  "interchange",
  "runtime",
  "shaders",
  "wasm",
  "testing",
  "train",
];
const libraryRoot = import.meta.url.replace(/compiler\/trace\/site\.[jt]s$/, "").replace(/^file:\/\//, "");
/** A stack frame as V8 ("at f (file:1:2)") or Firefox and Safari ("f@file:1:2") print it. */
const framePattern = /(?:^[^@\s]*@|^|[\s(])(?:file:\/\/)?([^\s()]+):(\d+):(\d+)\)?$/;

let inherited: Site | undefined;

/**
 * Gives nodes that `body` adds the site `site`: nodes that a pass or a derivative makes from a node keep that node's
 * line.
 */
export function atSite<T>(site: Site | undefined, body: () => T): T {
  const before = inherited;
  inherited = site ?? before;
  try {
    return body();
  } finally {
    inherited = before;
  }
}

let searchesStack = true;

/** Gives nodes that `body` adds no line unless `atSite` sets one: no user code is on the stack while a pass runs. */
export function withoutCallSites<T>(body: () => T): T {
  const before = searchesStack;
  searchesStack = false;
  try {
    return body();
  } finally {
    searchesStack = before;
  }
}

/** V8's representation of a stack frame, before the stack is formatted. */
interface Frame {
  getScriptNameOrSourceURL(): string | null;
  getLineNumber(): number | null;
  getColumnNumber(): number | null;
}

/** Settings for stack traces; only V8 has them. */
interface StackSettings {
  stackTraceLimit?: number | undefined;
  prepareStackTrace?: unknown;
}

/**
 * Cached sites of frames, "" if they are not the user's. Formatting a stack, possibly through source maps, takes longer
 * than everything else that an op does.
 */
const known = new Map<string, Site>();
const keyOf = (frame: Frame) =>
  `${frame.getScriptNameOrSourceURL()}:${frame.getLineNumber()}:${frame.getColumnNumber()}`;

export function callSite(): Site | undefined {
  if (inherited !== undefined || !searchesStack) return inherited;
  const settings = Error as StackSettings;
  const { stackTraceLimit, prepareStackTrace } = settings;
  // The default of ten frames can end inside the library when a cell is traced through several layers.
  if (stackTraceLimit !== undefined) settings.stackTraceLimit = 40;
  settings.prepareStackTrace = (_: Error, frames: unknown) => frames;
  const frames = stackHere();
  settings.prepareStackTrace = prepareStackTrace;
  let site = Array.isArray(frames) ? knownSite(frames) : undefined;
  if (site === undefined) {
    const sites = sitesOf(String(stackHere()));
    // V8 prints one frame per line, below the error's name.
    if (Array.isArray(frames) && frames.length === sites.length - 1)
      for (const [i, frame] of frames.entries()) known.set(keyOf(frame), sites[i + 1] ?? "");
    site = sites.find((found) => found !== "");
  }
  settings.stackTraceLimit = stackTraceLimit;
  return site || undefined;
}

const stackHere = (): unknown => new Error().stack;

/** The first frame that is the user's, or "" if none is; undefined if a frame before it is not cached. */
function knownSite(frames: readonly Frame[]): Site | undefined {
  for (const frame of frames) {
    const site = known.get(keyOf(frame));
    if (site !== "") return site;
  }
  return "";
}

/** The site of every frame of a formatted stack, "" if it is not the user's. */
function sitesOf(stack: string): Site[] {
  const places = stack.split("\n").map((line) => framePattern.exec(line.trim()));
  // The first frame is in this file.
  const ownFile = places.find((place) => place !== null)?.[1];
  return places.map((place) => {
    const [, file = "", line, column] = place ?? [];
    if (place === null || file === ownFile || file.startsWith("node:")) return "";
    if (ownFolders.some((folder) => file.startsWith(`${libraryRoot}${folder}/`))) return "";
    const short = file.startsWith(libraryRoot) ? file.slice(libraryRoot.length) : file;
    // Installed packages that call into the library (command line parsers, test runners) wrote no op.
    return short.includes("node_modules/") ? "" : `${short}:${line}:${column}`;
  });
}
