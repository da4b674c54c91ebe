/**
 * @file The runs of a visit, as plain data: each with what it was made from, its curves and its last figures. Those that
 * the worker still holds are live; of the others only this is left. Every change is a function from records to records.
 */
import type { DataKind, ProgressEvent } from "../../shared/protocol.ts";
import type { RunSettings } from "../../shared/settings.ts";

/** Points of one curve, by step. */
export interface Curve {
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

/** The learning rate from a step on. */
export interface Rate {
  readonly step: number;
  readonly value: number;
}

export interface RunRecord {
  /** The worker's name of the run; no two records have one. */
  readonly run: string;
  /** The cell's own name. */
  readonly cell: string;
  readonly source: string;
  /** As they were when the run was made; `rates` says how the learning rate went on. */
  readonly settings: RunSettings;
  readonly rates: readonly Rate[];
  /** Name of the data. */
  readonly data: string;
  /** What kind of data they are, from which the unit of the loss follows. */
  readonly kind?: DataKind;
  readonly weights: number;
  /** The loss of knowing nothing, and the lowest there is where it is known. */
  readonly baseline: number;
  readonly best?: number;
  /** Place among the colours of curves. */
  readonly colour: number;
  /** Whether its curves are drawn. */
  readonly shown: boolean;
  /** Whether the worker holds it, and the device its memory. */
  readonly live: boolean;
  readonly loss: Curve;
  readonly heldOut: Curve;
  readonly speed: Curve;
  readonly last?: Pick<ProgressEvent, "step" | "loss" | "tokensPerSecond">;
}

export type NewRun = Omit<RunRecord, "colour" | "shown" | "live" | "loss" | "heldOut" | "speed" | "last" | "rates">;

/** The curves of this many runs take a few megabytes; the oldest runs that have ended are removed first. */
export const mostRuns = 40;
const mostPoints = 1200;
/** As many as the style sheet has. */
const colours = 8;
const emptyCurve: Curve = { steps: [], values: [] };

/** Adds runs that were made, in colours that others show least. */
export function begun(records: readonly RunRecord[], made: readonly NewRun[]): readonly RunRecord[] {
  let all = records;
  for (const run of made) {
    const rates = [{ step: 0, value: run.settings.learningRate }];
    const curves = { loss: emptyCurve, heldOut: emptyCurve, speed: emptyCurve };
    all = [...all, { ...run, ...curves, rates, colour: freeColour(all), shown: true, live: true }];
  }
  const surplus = Math.max(0, all.length - mostRuns);
  const oldest = new Set(
    all
      .filter(({ live }) => !live)
      .slice(0, surplus)
      .map(({ run }) => run),
  );
  return all.filter(({ run }) => !oldest.has(run));
}

/** Takes in what the worker tells of a run. */
export function progressed(records: readonly RunRecord[], event: ProgressEvent): readonly RunRecord[] {
  const { step, loss, heldOut, tokensPerSecond } = event;
  return changed(records, [event.run], (record) => ({
    ...record,
    loss: longer(record.loss, step, loss),
    speed: longer(record.speed, step, tokensPerSecond),
    heldOut: heldOut === undefined ? record.heldOut : longer(record.heldOut, heldOut.step, heldOut.loss),
    last: { step, loss, tokensPerSecond },
  }));
}

/** Live runs go on at another learning rate. A rate that was set and not trained with leaves no trace. */
export function rateMoved(records: readonly RunRecord[], value: number): readonly RunRecord[] {
  const live = records.filter(({ live }) => live).map(({ run }) => run);
  return changed(records, live, (record) => {
    const step = record.last?.step ?? 0;
    const before = record.rates.filter((rate) => rate.step < step);
    return { ...record, rates: before.at(-1)?.value === value ? before : [...before, { step, value }] };
  });
}

/** The worker holds these no longer. */
export function ended(records: readonly RunRecord[], runs: readonly string[]): readonly RunRecord[] {
  return changed(records, runs, (record) => {
    const { rates, last } = record;
    const used = rates.filter(({ step }, i) => i === 0 || step < (last?.step ?? 0));
    return { ...record, rates: used, live: false };
  });
}

export function shown(records: readonly RunRecord[], runs: readonly string[], isShown: boolean): readonly RunRecord[] {
  return changed(records, runs, (record) => ({ ...record, shown: isShown }));
}

export function removed(records: readonly RunRecord[], runs: readonly string[]): readonly RunRecord[] {
  return records.filter(({ run }) => !runs.includes(run));
}

/** A name that no run has yet: that of the cell, with a number from the second on. */
export function freeRunName(cell: string, taken: readonly string[]): string {
  if (!taken.includes(cell)) return cell;
  for (let n = 2; ; n++) if (!taken.includes(`${cell} ${n}`)) return `${cell} ${n}`;
}

/** A curve with as many points as there are to spare: every k-th, and the last. */
export function thinned(curve: Curve, most: number): Curve {
  const every = Math.ceil(curve.steps.length / most);
  const keep = (_: number, i: number) => i % every === 0 || i === curve.steps.length - 1;
  return { steps: curve.steps.filter(keep), values: curve.values.filter(keep) };
}

function changed(
  records: readonly RunRecord[],
  runs: readonly string[],
  change: (record: RunRecord) => RunRecord,
): readonly RunRecord[] {
  return records.map((record) => (runs.includes(record.run) ? change(record) : record));
}

function freeColour(records: readonly RunRecord[]): number {
  const uses = Array.from({ length: colours }, (_, hue) => records.filter(({ colour }) => colour === hue).length);
  return uses.indexOf(Math.min(...uses));
}

/** Where a curve grows too long, every other point of it goes. */
function longer({ steps, values }: Curve, step: number, value: number): Curve {
  const curve = { steps: [...steps, step], values: [...values, value] };
  if (curve.steps.length <= mostPoints) return curve;
  const even = (_: number, i: number) => i % 2 === 0;
  return { steps: curve.steps.filter(even), values: curve.values.filter(even) };
}
