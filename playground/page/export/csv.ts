/** @file Curves and figures of runs as CSV, for a spreadsheet or a plot of one's own. */
import type { RunRecord } from "../session/runs.ts";

/** A row for each run and step: run, step, loss, held-out loss, tokens per second; fields without a value are empty. */
export function curvesCsv(records: readonly RunRecord[]): string {
  const rows = records.flatMap(({ run, loss, heldOut, speed }) => {
    const columns = [loss, heldOut, speed].map(
      ({ steps, values }) => new Map(steps.map((step, i) => [step, values[i]])),
    );
    const steps = [...new Set(columns.flatMap((column) => [...column.keys()]))].sort((a, b) => a - b);
    return steps.map((step) => [run, step, ...columns.map((column) => column.get(step))]);
  });
  return csv([["run", "step", "loss", "held-out loss", "tokens per second"], ...rows]);
}

/** A row for each run: where it stands, and all that it was made from. */
export function figuresCsv(records: readonly RunRecord[]): string {
  const keys = [
    ...new Set(records.flatMap(({ settings }) => Object.keys(settings))),
  ] as (keyof RunRecord["settings"])[];
  const head = [
    "run",
    "cell",
    "data",
    "step",
    "loss",
    "held-out loss",
    "tokens per second",
    "weights",
    "baseline",
    "best",
  ];
  const rows = records.map(({ run, cell, data, last, heldOut, weights, baseline, best, rates, settings }) => {
    const figures = [
      last?.step ?? 0,
      last?.loss,
      heldOut.values.at(-1),
      last?.tokensPerSecond,
      weights,
      baseline,
      best,
    ];
    // Where the rate was moved, each has the step from which it holds.
    const moved =
      rates.length < 2
        ? (rates[0]?.value ?? settings.learningRate)
        : rates.map(({ step, value }) => `${value} @ ${step}`).join("; ");
    return [run, cell, data, ...figures, ...keys.map((key) => (key === "learningRate" ? moved : settings[key]))];
  });
  return csv([[...head, ...keys], ...rows]);
}

type Field = string | number | null | undefined;

function csv(rows: readonly (readonly Field[])[]): string {
  return rows.map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
}

/** RFC 4180. What a spreadsheet would take for a formula begins with an apostrophe: names come from links, too. */
function quoted(field: Field): string {
  const text = typeof field === "string" && /^[=+\-@\t\r]/.test(field) ? `'${field}` : String(field ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A name for a file of these runs, such as `lstm-gru-curves`, in characters that every system takes. */
export function fileNameOf(records: readonly RunRecord[], what: string): string {
  const cells = [...new Set(records.map(({ cell }) => cell))].join("-");
  const name = cells
    .replaceAll(/[^\p{L}\p{N}]+/gu, "-")
    .slice(0, 60)
    .replaceAll(/^-|-$/g, "");
  return `${name || "cells"}-${what}`;
}
