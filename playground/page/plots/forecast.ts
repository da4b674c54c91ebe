/** @file A forecast behind the rows it goes on from; or a model's answers beside what was asked for. */
import type { Sample, Table } from "../../shared/protocol.ts";
import { h } from "../dom.ts";
import { createPlot, type PlottedCurve } from "./plot.ts";

export function forecastFigure({ run, rows, truth }: Sample): HTMLElement[] {
  if (rows === undefined) return [];
  // Answers have a truth at the same steps; a forecast begins where what was read ends.
  const answers = truth !== undefined && truth.rows === rows.rows && [...truth.values].some(Number.isNaN);
  const start = answers ? 0 : (truth?.rows ?? 0);
  const curves = [
    ...(truth === undefined ? [] : columnsOf(truth, 0, answers ? "asked for" : "read", answers ? "points" : "line")),
    ...columnsOf(rows, start, answers ? "answer" : "forecast", answers ? "line" : "dashes"),
  ];
  const plot = createPlot({ label: `What ${run} gives`, xLabel: "time step", height: 220 });
  plot.show(curves);
  const words = answers
    ? "Lines: the answer at each step. Points: what was asked for, on a sequence that was held out."
    : "Solid: held-out data that were read. Dashed: how the model goes on, each value made from its own last one.";
  return [h("p", { class: "about" }, words), plot.element];
}

function columnsOf(
  table: Table,
  start: number,
  what: string,
  style: NonNullable<PlottedCurve["style"]>,
): PlottedCurve[] {
  const { rows, columns, values } = table;
  return Array.from({ length: columns }, (_, column) => {
    const points = Array.from({ length: rows }, (_, t) => ({
      step: start + t,
      value: values[t * columns + column] ?? Number.NaN,
    }));
    const known = points.filter(({ value }) => Number.isFinite(value));
    return {
      name: `${what} ${column + 1}`,
      colour: `var(--gate-${column % 6})`,
      steps: known.map(({ step }) => step),
      values: known.map(({ value }) => value),
      style,
    };
  });
}
