/** @file Curves and figures of runs as CSV, read back as any other program would. */
import { parse } from "csv-parse/sync";
import { expect, test } from "vitest";
import { curvesCsv, figuresCsv, fileNameOf } from "../../playground/page/export/csv.ts";
import { begun, progressed, rateMoved } from "../../playground/page/session/runs.ts";
import { smallSettings } from "./client.ts";

const made = (run: string, cell: string) => ({
  ...{ run, cell, source: "", settings: smallSettings, data: 'a "text", of 2 lines\n', weights: 10, baseline: 3 },
});
const event = { type: "progress", loss: 0.5, tokensPerSecond: 1e3, gradientNorm: 1 } as const;
let records = begun([], [made("gru", "gru"), made("=1+1", "a/b")]);
records = progressed(records, { ...event, run: "gru", step: 2 });
records = progressed(records, { ...event, run: "gru", step: 10, loss: 0.25, heldOut: { step: 7, loss: 0.75 } });
records = rateMoved(records, 0.1);
const rowsOf = (text: string) => parse(text, { columns: true }) as Record<string, string>[];

test("the curves have a row for each run and step, and empty fields where nothing was measured", () => {
  const row = (step: string, loss: string, heldOut: string, speed: string) => ({
    ...{ run: "gru", step, loss, "held-out loss": heldOut, "tokens per second": speed },
  });
  expect(rowsOf(curvesCsv(records))).toEqual([
    row("2", "0.5", "", "1000"),
    row("7", "", "0.75", ""),
    row("10", "0.25", "", "1000"),
  ]);
});

test("the figures have a row for each run, with all that it was made from", () => {
  const [first, second] = rowsOf(figuresCsv(records));
  expect(first).toMatchObject({
    ...{ run: "gru", cell: "gru", data: 'a "text", of 2 lines\n', step: "10", loss: "0.25", "held-out loss": "0.75" },
    ...{ weights: "10", baseline: "3", best: "", learningRate: "0.02 @ 0; 0.1 @ 10", optimizer: "adam", units: "6" },
  });
  for (const key of Object.keys(smallSettings)) expect(first).toHaveProperty(key);
  // A spreadsheet must not compute what a cell is called.
  expect(second).toMatchObject({ run: "'=1+1", step: "0", loss: "", learningRate: "0.1" });
});

test.each([
  [["gru", "gru", "lstm"], "gru-lstm-curves"],
  [["my cell/../x"], "my-cell-x-curves"],
  [["…"], "cells-curves"],
  [[], "cells-curves"],
])("a file of runs of %j is called %s", (cells, expected) => {
  const runs = begun(
    [],
    cells.map((cell, i) => made(`${i}`, cell)),
  );
  expect(fileNameOf(runs, "curves")).toBe(expected);
});
