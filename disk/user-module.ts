/**
 * @file Cells from a file. A user's module is TypeScript or JavaScript from anywhere on the disk; its imports of
 * "cellgrad" get the library that is running, so it needs nothing installed beside it.
 */
import { writeSync } from "node:fs";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { createJiti } from "jiti";
import * as zooEntry from "../cells/zoo.ts";
import { oneLine, UserError } from "../compiler/graph/errors.ts";
import type { CellDefinition } from "../index.ts";
import * as cellgrad from "../index.ts";
import { fileFault } from "./file-faults.ts";
import { placeInUserCode, plainMessage, shortPath } from "./user-code.ts";

/** The exit code of `cellgrad` for bad input. */
const badInput = 2;
const isModuleName = (path: string) => /\.[cm]?[jt]sx?$/i.test(path);

/**
 * The one cell that a module (TypeScript or JavaScript) exports: its default export, or the only exported cell. Runs the
 * module, whose imports of "cellgrad" get the library that is running.
 *
 * @throws UserError where there is no such file, the module throws, or it exports no cell or several.
 */
export async function loadCell(path: string): Promise<CellDefinition> {
  const exported = await loadModule(path);
  if (isCell(exported.default)) return exported.default;
  const cells = Object.entries(exported).flatMap(([name, value]) => (isCell(value) ? [{ name, value }] : []));
  const [only, ...others] = cells;
  if (only !== undefined && others.length === 0) return only.value;
  const names = cells.map(({ name }) => name).join(", ");
  throw new UserError(
    only === undefined
      ? `${path} exports no cell: make one with cell("name", { state }, step) and export it as default`
      : `${path} exports ${cells.length} cells (${names}): export the one to use as default`,
  );
}

function isCell(value: unknown): value is CellDefinition {
  return typeof value === "function" && "cellName" in value && typeof value.cellName === "string";
}

async function loadModule(path: string): Promise<Record<string, unknown>> {
  const file = resolve(path);
  const found = await stat(file).catch((error: unknown) => {
    throw fileFault(path, error);
  });
  if (!found.isFile()) throw new UserError(`${path}: not a file; a cell is in a module such as ./my-cell.ts`);
  if (!isModuleName(path))
    throw new UserError(`${path}: not a .ts or .js file; a cell is in a module such as ./my-cell.ts`);
  const jiti = createJiti(file, {
    virtualModules: { cellgrad, "cellgrad/zoo": zooEntry },
    // The file may change between two calls in one process, and nothing is to be left beside it.
    moduleCache: false,
    fsCache: false,
    interopDefault: false,
    // Without their comments, statements stay on the lines on which they were written, and errors name those.
    transformOptions: { babel: { comments: false } },
  });
  const onExit = () => {
    process.exitCode = badInput;
    writeSync(2, `cellgrad: ${path} ends the process while it is loaded; take that out of it\n`);
  };
  process.on("exit", onExit);
  try {
    return await jiti.import<Record<string, unknown>>(file);
  } catch (error) {
    throw moduleFault(path, error);
  } finally {
    process.off("exit", onExit);
  }
}

/** Whatever a module threw while it was read or run, as one line with its place. */
function moduleFault(path: string, error: unknown): UserError {
  const message = plainMessage(error);
  const syntax = /ParseError:\s*(.*?)\s*\n\s*(\S+):(\d+):\d+/s.exec(message);
  if (syntax !== null) {
    const [, what = "", file = path, line] = syntax;
    return new UserError(`${shortPath(file)}:${line}: ${oneLine(what)}`, { cause: error });
  }
  // Of "Cannot find module", what follows the first line is a list of the files that led there.
  const what = oneLine(message.split("\nRequire stack:")[0] ?? message);
  const text = `${placeInUserCode(error) ?? path}: ${what}`;
  return Object.assign(new UserError(text, { cause: error }), { stack: `UserError: ${text}` });
}
