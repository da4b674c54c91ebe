/** @file Which live runs are those of the cells as they are now: they go on, and the other cells get new ones. */
import type { RunSettings } from "../../shared/settings.ts";
import type { RunRecord } from "./runs.ts";
import type { CellDraft } from "./workspace.ts";

export interface Matching {
  /** The run of each cell, where it has one. */
  readonly runs: ReadonlyMap<CellDraft["id"], string>;
  /** Cells with no run yet. */
  readonly fresh: readonly CellDraft[];
  /** Live runs of what the cells no longer are. */
  readonly surplus: readonly string[];
}

export function matching(cells: readonly CellDraft[], settings: RunSettings, records: readonly RunRecord[]): Matching {
  const live = records.filter((record) => record.live);
  const taken = new Map<CellDraft["id"], string>();
  for (const { id, source } of cells) {
    const used = new Set(taken.values());
    const run = live.find(
      (record) => !used.has(record.run) && record.source === source && isMadeFrom(record.settings, settings),
    );
    if (run !== undefined) taken.set(id, run.run);
  }
  const matched = new Set(taken.values());
  return {
    runs: taken,
    fresh: cells.filter(({ id }) => !taken.has(id)),
    surplus: live.flatMap(({ run }) => (matched.has(run) ? [] : [run])),
  };
}

/** The learning rate changes live and makes no other run. */
function isMadeFrom(a: RunSettings, b: RunSettings): boolean {
  const sizes = ({ learningRate, ...rest }: RunSettings) => JSON.stringify(Object.entries(rest).sort());
  return sizes(a) === sizes(b);
}
