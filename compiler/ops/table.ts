/**
 * @file The table of ops: every entry that the files of ops export, by op. The type checker names an op whose entry is
 * missing. Scan and its results are control flow and are in `scan.ts`.
 */
import type { OpName } from "../graph/graph.ts";
import * as contractions from "./contractions.ts";
import * as custom from "./custom-gradient.ts";
import * as elementwise from "./elementwise.ts";
import type { OpEntry } from "./entry.ts";
import * as half from "./half.ts";
import * as logic from "./logic.ts";
import * as pieces from "./pieces.ts";
import * as sources from "./sources.ts";
import * as transcendental from "./transcendental.ts";
import * as views from "./views.ts";

export type TableOp = Exclude<OpName, "scan" | "result">;

type Table = { readonly [K in TableOp]: OpEntry<K> };

interface Files {
  readonly contractions: typeof contractions;
  readonly custom: typeof custom;
  readonly elementwise: typeof elementwise;
  readonly half: typeof half;
  readonly logic: typeof logic;
  readonly pieces: typeof pieces;
  readonly sources: typeof sources;
  readonly transcendental: typeof transcendental;
  readonly views: typeof views;
}

/** The ops of the exported entries. */
type Exported = { [F in keyof Files]: Files[F][keyof Files[F]] }[keyof Files];
type ExportedOp = Extract<Exported, { readonly entry: unknown }>["entry"]["op"];

/** An entry for each op of the schema; a missing one is a type error that names the op. */
type Complete = { readonly [K in TableOp]: K extends ExportedOp ? OpEntry<K> : `no entry for ${K}` };

function collected(): Complete {
  const files: Files = { contractions, custom, elementwise, half, logic, pieces, sources, transcendental, views };
  const exported: readonly object[] = Object.values(files).flatMap((file) => Object.values(file));
  const entries = exported.flatMap((each) => ("entry" in each ? [each.entry as OpEntry<TableOp>] : []));
  return Object.fromEntries(entries.map((entry) => [entry.op, entry])) as Complete;
}

// Marked as pure, so that bundlers can drop it if unused.
export const opTable: Table = /* @__PURE__ */ collected();

/**
 * The entry of an op, with its attribute type widened: TypeScript cannot carry "the attributes of *this* node" through
 * a lookup by a union of names, so callers pass a node's own attributes back to its own entry.
 */
export function entryOf(op: TableOp): OpEntry<TableOp> {
  return opTable[op] as OpEntry<TableOp>;
}
