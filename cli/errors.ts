/**
 * @file What the person at the terminal reads when something fails: one line that says what, where and what to do. A
 * stack trace is shown only where the variable CELLGRAD_DEBUG asks for it.
 */
import { isAbsolute, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { CommanderError } from "commander";
import { InternalError, inWords, messageOf, UserError } from "../compiler/graph/errors.ts";
import { ownFolders } from "../compiler/trace/site.ts";
import { DeviceLostError, DeviceTimeoutError, DeviceUnavailableError } from "../runtime/device-errors.ts";
import { oneLine } from "./one-line.ts";

/** 0: all is well. 1: `check` found a wrong gradient. 2: bad input. 70: a fault of cellgrad's own. 130: interrupted. */
export const ExitCode = { ok: 0, wrong: 1, badInput: 2, internal: 70, interrupted: 130 } as const;

export interface Complaint {
  readonly line: string;
  readonly exitCode: number;
}

/** The one line and the exit code for whatever was thrown. */
export function complaintOf(error: unknown): Complaint {
  if (error instanceof CommanderError) return { line: commanderLine(error), exitCode: ExitCode.badInput };
  // Nothing of ours throws what is no Error.
  if (!(error instanceof Error)) {
    const line = `the code of a cell or module throws ${inWords(error)}; throw an Error instead, which tells the place`;
    return { line, exitCode: ExitCode.badInput };
  }
  const place = placeInUserCode(error);
  const isTheirs = [UserError, DeviceUnavailableError, DeviceLostError, DeviceTimeoutError].some(
    (kind) => error instanceof kind,
  );
  if (isTheirs) {
    return { line: withPlace(oneLine(error.message), place), exitCode: ExitCode.badInput };
  }
  const message = oneLine(plainMessage(error));
  // Code that is not ours was running: what it threw, or made us throw, is for its author.
  if (place !== undefined && !(error instanceof InternalError)) {
    return { line: `${place}: ${message}`, exitCode: ExitCode.badInput };
  }
  // Engines say so of arrays for which there is no room.
  if (error instanceof RangeError && /array length|allocation failed|array buffer/i.test(error.message)) {
    const line = `there is no memory for this (${message}): lower --batch, --time or --units`;
    return { line, exitCode: ExitCode.badInput };
  }
  const line = `${withPlace(message, place)} (a fault of cellgrad itself; CELLGRAD_DEBUG=1 shows the stack)`;
  return { line, exitCode: ExitCode.internal };
}

/** "error: unknown option '--step'\n(Did you mean --steps?)" on one line, with the way to the help. */
function commanderLine({ message }: CommanderError): string {
  const text = oneLine(message.replace(/^error: /, ""));
  return `${text.replace(/\.$/, "")}; --help lists what there is`;
}

/** Compiled imports turn `f(x)` into `(0 , _module.f)(x)`, and engines quote that. */
export function plainMessage(error: unknown): string {
  const message = error instanceof Error || typeof error === "string" ? messageOf(error) : inWords(error);
  return message.replace(/\(0 ?, ?_\w+\.(\w+)\)/g, "$1");
}

function withPlace(message: string, place: string | undefined): string {
  return place === undefined || message.includes(place) ? message : `${message} (at ${place})`;
}

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

/** What the system says of a file, which messages call `name`, in words: for errors of `node:fs`. */
export function fileFault(name: string, error: unknown): UserError {
  const { code } = error as { code?: string };
  const known: Record<string, string> = {
    ENOENT: "no such file",
    ENOTDIR: "a part of the path is not a directory",
    EISDIR: "this is a directory, not a file",
    EACCES: "permission denied",
    EPERM: "permission denied",
    EROFS: "the file system is read-only",
    ENOSPC: "the disk is full",
    ENAMETOOLONG: "the name is too long",
    ELOOP: "too many symbolic links",
    ERR_FS_FILE_TOO_LARGE: "the file is larger than 2 GiB",
  };
  return new UserError(`${name === "" ? '""' : name}: ${known[code ?? ""] ?? oneLine(messageOf(error))}`, {
    cause: error,
  });
}
