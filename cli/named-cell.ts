/** @file Resolves the cell that `--cell` names. */
import { zoo } from "../cells/zoo.ts";
import { UserError } from "../compiler/graph/errors.ts";
import { loadCell } from "../disk/user-module.ts";
import type { CellDefinition } from "../index.ts";

/** The cell with this built-in name, or the one that the module at this path exports. */
export async function cellByName(nameOrPath: string): Promise<CellDefinition> {
  if (Object.hasOwn(zoo, nameOrPath)) return zoo[nameOrPath] as CellDefinition;
  if (isPath(nameOrPath)) return loadCell(nameOrPath);
  const known = Object.keys(zoo).join(", ");
  throw new UserError(
    `unknown cell ${JSON.stringify(nameOrPath)}: use ${known}, or the path of a module that exports a cell, such as ./my-cell.ts`,
  );
}

/** Whether `--cell` names a file rather than a built-in cell. */
export function isPath(text: string): boolean {
  return /[\\/.]/.test(text);
}
