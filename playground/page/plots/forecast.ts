/** @file A forecast behind the rows it goes on from; or a model's answers beside what was asked for. */
import type { Sample, Table } from "../../shared/protocol.ts";
import { h } from "../dom.ts";
import { legendList } from "./legend.ts";
import { createPlot, type PlottedCurve } from "./plot.ts";

/** `names` are those of the columns, in the order of the data, as far as they are known. */
export function forecastFigure({ run, rows, truth }: Sample, names: readonly string[] = []): HTMLElement[] {
  if (rows === undefined) return [];
  // Answers have a truth at the same steps; a forecast begins where what was read ends.
  const answers = truth !== undefined && truth.rows === rows.rows && [...truth.values].some(Number.isNaN);
  const start = answers ? 0 : (truth?.rows ?? 0);
  const curves = [
    ...(truth === undefined
      ? []
      : columnsOf(truth, 0, names, answers ? "asked for" : "read", answers ? "points" : "line")),
    ...columnsOf(rows, start, names, answers ? "answer" : "forecast", answers ? "line" : "dashes"),
  ];
  const plot = createPlot({
    label: `What ${run} gives`,
    xLabel: "time step",
    yLabel: "value, as in the data",
    height: 220,
  });
  plot.show(curves);
  const legend = legendList("Columns of the data");
  legend.show(curves.map(({ name, colour, style }) => ({ name, colour, ...(style && { style }) })));
  const words = answers
    ? "Lines: the answer at each step. Points: what was asked for, on a sequence that was held out."
    : "Solid: held-out data that were read. Dashed: how the model goes on, each value made from its own last one.";
  return [h("p", { class: "about" }, words), plot.element, legend.element];
}

function columnsOf(
  table: Table,
  start: number,
  names: readonly string[],
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
      name: `${names[column] ?? `column ${column + 1}`}, ${what}`,
      colour: `var(--gate-${column % 6})`,
      steps: known.map(({ step }) => step),
      values: known.map(({ value }) => value),
      style,
    };
  });
}
