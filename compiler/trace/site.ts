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

/** A frame as V8 has it before a stack is written out. */
interface Frame {
  getScriptNameOrSourceURL(): string | null;
  getLineNumber(): number | null;
  getColumnNumber(): number | null;
}

/** What engines let a library set; those that are not V8 know none of it. */
interface StackSettings {
  stackTraceLimit?: number | undefined;
  prepareStackTrace?: unknown;
}

/**
 * The sites of frames that were met before, "" where they are not the user's. To write a stack out, through source maps
 * at that, takes longer than all else that is done for an op.
 */
const known = new Map<string, Site>();
const keyOf = (frame: Frame) =>
  `${frame.getScriptNameOrSourceURL()}:${frame.getLineNumber()}:${frame.getColumnNumber()}`;

export function callSite(): Site | undefined {
  if (inherited !== undefined || !looks) return inherited;
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
    // V8 writes a frame a line, below the error's name.
    if (Array.isArray(frames) && frames.length === sites.length - 1)
      for (const [i, frame] of frames.entries()) known.set(keyOf(frame), sites[i + 1] ?? "");
    site = sites.find((found) => found !== "");
  }
  settings.stackTraceLimit = stackTraceLimit;
  return site || undefined;
}

const stackHere = (): unknown => new Error().stack;

/** The first that is the user's, "" where none is; undefined where a frame before it is new. */
function knownSite(frames: readonly Frame[]): Site | undefined {
  for (const frame of frames) {
    const site = known.get(keyOf(frame));
    if (site !== "") return site;
  }
  return "";
}

/** Of every frame of a stack that is written out, "" where it is not the user's. */
function sitesOf(stack: string): Site[] {
  const places = stack.split("\n").map((line) => framePattern.exec(line.trim()));
  // The first frame is of this file.
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
