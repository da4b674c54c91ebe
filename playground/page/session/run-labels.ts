/**
 * @file What tells runs apart: of each, the settings in which not all runs agree. A run that stands alone has none.
 */
import { grouped } from "../numbers.ts";
import type { RunRecord } from "./runs.ts";

/** A side of a run, in words; "" where there is nothing to say of it. */
type Aspect = (record: RunRecord, all: readonly RunRecord[]) => string;

const aspects: readonly Aspect[] = [
  ({ data }) => `on ${data}`,
  sourceInWords,
  ({ settings }) => counted(settings.units, "unit"),
  ({ settings }) => counted(settings.layers, "layer"),
  ({ settings }) => `${settings.time} steps back`,
  ({ settings }) => `batch ${settings.batch}`,
  ({ settings }) => `embedding ${settings.embed}`,
  ({ settings }) => settings.optimizer,
  ({ rates }) => rateInWords(rates.map(({ value }) => value)),
  ({ settings: { weightDecay } }) => (weightDecay === 0 ? "no weight decay" : `weight decay ${weightDecay}`),
  ({ settings: { schedule, scheduleSteps } }) =>
    schedule === "constant" ? "constant rate" : `${schedule} over ${grouped(scheduleSteps)} steps`,
  ({ settings: { warmup } }) => (warmup === 0 ? "no warm-up" : `warm-up ${grouped(warmup)} steps`),
  ({ settings: { clipNorm } }) => (clipNorm === null ? "no clipping" : `clipped at ${clipNorm}`),
  ({ settings: { dropout } }) => (dropout === 0 ? "no dropout" : `dropout ${dropout}`),
  ({ settings: { recurrentDropout } }) =>
    recurrentDropout === 0 ? "no recurrent dropout" : `recurrent dropout ${recurrentDropout}`,
  ({ settings: { zoneout } }) => (zoneout === 0 ? "no zoneout" : `zoneout ${zoneout}`),
  ({ settings }) => `seed ${settings.seed}`,
];

/** By run: what is not the same in all of them, in words. */
export function differences(records: readonly RunRecord[]): ReadonlyMap<string, readonly string[]> {
  const words = aspects.map((aspect) => records.map((record) => aspect(record, records)));
  const telling = words.filter((texts) => new Set(texts).size > 1);
  return new Map(records.map(({ run }, i) => [run, telling.flatMap((texts) => texts[i] || [])]));
}

/** A run's name with what tells it apart. */
export function labelOf(run: string, differing: readonly string[]): string {
  return [run, ...differing].join(" · ");
}

/** Cells of one name whose equations differ are numbered in the order in which they were trained. */
function sourceInWords({ cell, source }: RunRecord, all: readonly RunRecord[]): string {
  const sources = [...new Set(all.filter((other) => other.cell === cell).map((other) => other.source))];
  return sources.length < 2 ? "" : `equations ${sources.indexOf(source) + 1}`;
}

function rateInWords(values: readonly number[]): string {
  const [first, last] = [values[0], values.at(-1)];
  return values.length < 2 || first === undefined ? `rate ${first}` : `rate ${first} → ${last}`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
