/** @file The history of runs as text, for the next visit: with thinner curves, and of none is anything on a device. */
import { checkedSettings } from "../../shared/settings.ts";
import { type Curve, mostRuns, type Rate, type RunRecord, thinned } from "./runs.ts";
import { asRecord } from "./stored-work.ts";
import { firstSettings } from "./workspace.ts";

const points = 200;

export function runsAsText(records: readonly RunRecord[]): string {
  return JSON.stringify(
    records.map((record) => ({
      ...record,
      live: false,
      loss: thinned(record.loss, points),
      heldOut: thinned(record.heldOut, points),
      speed: thinned(record.speed, points),
    })),
  );
}

/** The runs in a text; one that cannot be read is left out. */
export function runsIn(text: string | null): readonly RunRecord[] {
  try {
    const value: unknown = JSON.parse(text ?? "[]");
    const found = Array.isArray(value) ? value.slice(-mostRuns).flatMap(read) : [];
    return found.filter(({ run }, i) => found.findIndex((other) => other.run === run) === i);
  } catch {
    return [];
  }
}

function read(value: unknown): readonly RunRecord[] {
  try {
    const given = asRecord(value);
    const { best, kind, last } = given;
    return [
      {
        ...{ run: text(given.run), cell: text(given.cell), source: text(given.source), data: text(given.data) },
        ...{ weights: number(given.weights), baseline: number(given.baseline) },
        ...(typeof best === "number" && { best }),
        ...((kind === "text" || kind === "series" || kind === "regression") && { kind }),
        settings: { ...firstSettings, ...checkedSettings(asRecord(given.settings)) },
        rates: list(given.rates).map((rate): Rate => {
          const { step, value } = asRecord(rate);
          return { step: number(step), value: number(value) };
        }),
        ...{ colour: number(given.colour) % 8, shown: given.shown === true, live: false },
        ...{ loss: curve(given.loss), heldOut: curve(given.heldOut), speed: curve(given.speed) },
        ...(last !== undefined && { last: figures(asRecord(last)) }),
      },
    ];
  } catch {
    return [];
  }
}

function curve(value: unknown): Curve {
  const { steps, values } = asRecord(value);
  const found = { steps: list(steps).map(number), values: list(values).map(number) };
  if (found.steps.length !== found.values.length) throw new Error("no curve");
  return found;
}

function figures({ step, loss, tokensPerSecond }: Readonly<Record<string, unknown>>) {
  return { step: number(step), loss: number(loss), tokensPerSecond: number(tokensPerSecond) };
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new Error("no text");
  return value;
}

function number(value: unknown): number {
  if (typeof value !== "number") throw new Error("no number");
  return value;
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error("no list");
  return value;
}
