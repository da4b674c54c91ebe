/** @file Sums of what was checked. */
import type { Taken, Totals } from "./protocol.ts";

export const noTotals: Totals = {
  ...{ cells: 0, cellsDiscarded: 0, secondOrder: 0, trainings: 0, trainingsDiscarded: 0, failures: 0, minutes: 0 },
};

/** Both together; the time is that of the first. */
export function plus(totals: Totals, more: Partial<Totals>): Totals {
  const sum = (key: Exclude<keyof Totals, "taken">) => totals[key] + (more[key] ?? 0);
  return {
    cells: sum("cells"),
    cellsDiscarded: sum("cellsDiscarded"),
    secondOrder: sum("secondOrder"),
    trainings: sum("trainings"),
    trainingsDiscarded: sum("trainingsDiscarded"),
    failures: sum("failures"),
    minutes: totals.minutes,
    ...bothTaken(totals.taken, more.taken),
  };
}

function bothTaken(some: Taken | undefined, more: Taken | undefined): Pick<Totals, "taken"> {
  if (some === undefined || more === undefined) {
    const taken = some ?? more;
    return taken === undefined ? {} : { taken };
  }
  const reasons = new Set([...Object.keys(some.refused), ...Object.keys(more.refused)]);
  const refused = [...reasons].map((reason) => [reason, (some.refused[reason] ?? 0) + (more.refused[reason] ?? 0)]);
  return {
    taken: {
      cells: some.cells + more.cells,
      loops: some.loops + more.loops,
      lanes: Math.max(some.lanes, more.lanes),
      refused: Object.fromEntries(refused) as Taken["refused"],
    },
  };
}

/** A line for the loops of a forced schedule. */
export function takenLine(schedule: string, { cells, loops, lanes, refused }: Taken): string {
  const reasons = Object.entries(refused).sort(([, a], [, b]) => b - a);
  const others = reasons.map(([reason, count]) => `${count} "${reason}"`).join(", ");
  const width = lanes > 0 ? `, with up to ${lanes} lanes to a workgroup` : "";
  return `${loops} loops of ${cells} cells ran in ${schedule}${width}; others did not: ${others || "none"}`;
}
