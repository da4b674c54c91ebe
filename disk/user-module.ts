/**
 * @file Loads cells from a file of equations or from a module. A module is TypeScript or JavaScript from anywhere on disk; its imports of "cellgrad"
 * resolve to the running library, so nothing needs to be installed next to it.
 */
import { writeSync } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { createJiti } from "jiti";
import * as zooEntry from "../cells/zoo.ts";
import { oneLine, UserError } from "../compiler/graph/errors.ts";
import type { CellDefinition } from "../index.ts";
import * as cellgrad from "../index.ts";
import { parseCell } from "../interchange/equations/parse-cell.ts";
import { readText } from "./data-files.ts";
import { fileFault } from "./file-faults.ts";
import { placeInUserCode, plainMessage, shortPath } from "./user-code.ts";

/** The exit code of `cellgrad` for bad input. */
const badInput = 2;
const isModuleName = (path: string) => /\.[cm]?[jt]sx?$/i.test(path);

/**
 * Loads the cell of a file: of equations (`.cell`), or the default export or only exported cell of a TypeScript or
 * JavaScript module. Runs the module; its imports of "cellgrad" resolve to the running library.
 *
 * @throws UserError if the file does not exist, an equation is wrong, the module throws, or it exports no cell or several.
 */
export async function loadCell(path: string): Promise<CellDefinition> {
  if (isEquationFile(path)) return readCell(path);
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

const isEquationFile = (path: string) => /\.cell$/i.test(path);

/** The cell of a file of equations; its name is the file's. */
async function readCell(path: string): Promise<CellDefinition> {
  const text = await readText(path);
  const file = resolve(path);
  return parseCell(text, { name: basename(path).replace(/\.cell$/i, ""), file: shortPath(file), path: file });
}

function isCell(value: unknown): value is CellDefinition {
  return typeof value === "function" && "cellName" in value && typeof value.cellName === "string";
}

async function loadModule(path: string): Promise<Record<string, unknown>> {
  const file = resolve(path);
  const found = await stat(file).catch((error: unknown) => {
    throw fileFault(path, error);
  });
  if (!found.isFile())
    throw new UserError(`${path} is not a file; give a module that exports a cell, such as ./my-cell.ts`);
  if (!isModuleName(path))
    throw new UserError(
      `${path} is not a .cell, .ts or .js file; give equations, or a module that exports a cell, such as ./my-cell.ts`,
    );
  const jiti = createJiti(file, {
    virtualModules: { cellgrad, "cellgrad/zoo": zooEntry },
    // The file can change between two calls in one process, and no cache file must be left next to it.
    moduleCache: false,
    fsCache: false,
    interopDefault: false,
    // Dropping comments keeps statements on their original lines, so that errors show the right line numbers.
    transformOptions: { babel: { comments: false } },
  });
  const onExit = () => {
    process.exitCode = badInput;
    writeSync(2, `cellgrad: ${path} calls process.exit while it is loaded; remove that call\n`);
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

/** The UserError for anything a module threw while it was parsed or run: one line with the location. */
function moduleFault(path: string, error: unknown): UserError {
  const message = plainMessage(error);
  const syntax = /ParseError:\s*(.*?)\s*\n\s*(\S+):(\d+):\d+/s.exec(message);
  if (syntax !== null) {
    const [, what = "", file = path, line] = syntax;
    return new UserError(`${shortPath(file)}:${line}: ${oneLine(what)}`, { cause: error });
  }
  // After "Cannot find module", the further lines only list the requiring files.
  const what = oneLine(message.split("\nRequire stack:")[0] ?? message);
  const text = `${placeInUserCode(error) ?? path}: ${what}`;
  return Object.assign(new UserError(text, { cause: error }), { stack: `UserError: ${text}` });
}
