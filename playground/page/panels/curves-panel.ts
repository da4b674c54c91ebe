/** @file The curves of all runs on one plot, their speed below, and the table of runs, which is the legend. */
import { runColour } from "../colours.ts";
import { button, h } from "../dom.ts";
import { curvesCsv, figuresCsv, fileNameOf } from "../export/csv.ts";
import { download } from "../export/download.ts";
import { type LegendEntry, pictureOf } from "../export/picture.ts";
import { rate, short } from "../numbers.ts";
import { type LegendItem, legendList } from "../plots/legend.ts";
import { createPlot, type PlottedCurve } from "../plots/plot.ts";
import { lossUnit } from "../plots/units.ts";
import { differences, labelOf } from "../session/run-labels.ts";
import { mostRuns, type RunRecord } from "../session/runs.ts";
import { messageOf, type Training } from "../session/training.ts";
import { runsTable } from "./runs-table.ts";

/** Milliseconds between two updates of the figures: more often is not read. */
const pace = 250;

export function curvesPanel(training: Training): HTMLElement {
  const loss = createPlot({ label: "Loss by step", xLabel: "step", height: 240 });
  const lines = legendList("Lines of the plot");
  const speed = createPlot({
    label: "Tokens per second by step",
    xLabel: "step",
    yLabel: "tokens/s",
    height: 96,
    format: rate,
  });
  const table = runsTable(training);
  const empty = h(
    "ol",
    { class: "empty" },
    h("li", {}, "Pick a cell, or change the equations of this one: the picture follows."),
    h("li", {}, "Press Train. The loss falls here, in training and on data that are held out from it."),
    h("li", {}, "Look inside: what it writes, what its gates do, how far its gradient reaches."),
  );
  const about = h("small");
  const full = h("p", { class: "about" }, `The last ${mostRuns} runs are kept.`);
  const keep = keepRow(training);
  const drawn = h(
    "div",
    { class: "curves" },
    h("h3", {}, "Loss", about),
    loss.element,
    lines.element,
    h("h3", {}, "Tokens per second", h("small", {}, "by the clock; a token is a character, or a row of a sequence")),
    speed.element,
  );

  const show = () => {
    const { value: records } = training.records;
    const any = records.length > 0;
    empty.hidden = any;
    for (const element of [table.element, drawn, keep]) element.hidden = !any;
    full.hidden = records.length < mostRuns;
    table.show(records);
    const visible = records.filter((record) => record.shown);
    const unit = lossUnit(visible.map(({ kind }) => kind));
    about.textContent = unit.words;
    lines.show(linesOf(visible));
    loss.show(lossCurves(records), unit.short);
    speed.show(visible.map(({ run, colour, speed }) => ({ name: run, colour: runColour(colour), ...speed })));
  };
  let timer: number | undefined;
  training.records.follow(() => {
    if (timer !== undefined) return;
    timer = window.setTimeout(() => {
      timer = undefined;
      show();
    }, pace);
  });
  show();
  return h("div", { class: "curves-panel" }, empty, table.element, full, drawn, keep);
}

/** What can be done with the runs as a whole. */
function keepRow(training: Training): HTMLElement {
  const records = () => training.records.value;
  const visible = () => records().filter(({ shown }) => shown);
  const csv = (what: string, text: string) => download(`${what}.csv`, new Blob([text], { type: "text/csv" }));
  const picture = async () => {
    const drawn = visible();
    const data = [...new Set(drawn.map((record) => record.data))].join(", ");
    const curves = lossCurves(records());
    const blob = await pictureOf({
      title: `Loss on ${data}`,
      plot: {
        label: "Loss by step",
        xLabel: "step",
        yLabel: lossUnit(drawn.map(({ kind }) => kind)).short,
        height: 420,
      },
      curves,
      legend: legendOf(curves),
    });
    download(`${fileNameOf(drawn, "curves")}.png`, blob);
  };
  const buttons = [
    button("Curves as PNG", () => void picture().catch((error) => training.problem.set({ message: messageOf(error) }))),
    button("Curves as CSV", () => csv(fileNameOf(visible(), "curves"), curvesCsv(visible()))),
    button("Figures as CSV", () => csv(fileNameOf(records(), "figures"), figuresCsv(records()))),
  ];
  const clear = button("Remove all runs", () => void training.remove(records().map(({ run }) => run)));
  training.records.follow(() => {
    const none = visible().length === 0;
    for (const one of buttons.slice(0, 2)) one.disabled = none;
  });
  return h("div", { class: "row keep" }, ...buttons, clear);
}

/** One entry for each run, one for what dashes mean, and one for each kind of level. */
function legendOf(curves: readonly PlottedCurve[]): LegendEntry[] {
  const heldOut = curves.some(({ name }) => name.endsWith(held));
  const named = curves.filter(({ name }) => !name.endsWith(held));
  const once = named.filter(({ name }, i) => named.findIndex((other) => other.name === name) === i);
  return [
    ...once.map(({ name, colour, style }) => ({ name, colour, ...(style && { style }) })),
    ...(heldOut ? [{ name: "held out", colour: "var(--ink)", style: "dashes" as const }] : []),
  ];
}

/** What the names of held-out curves end in. */
const held = ", held out";

/** The curves of the runs that are shown, and the losses to compare them with. */
export function lossCurves(records: readonly RunRecord[]): readonly PlottedCurve[] {
  const differing = differences(records);
  const visible = records.filter(({ shown }) => shown);
  const last = visible.flatMap(({ loss }) => loss.steps.at(-1) ?? []).reduce((a, b) => Math.max(a, b), 0);
  return [
    ...visible.flatMap(({ run, colour, loss, heldOut }): PlottedCurve[] => {
      const name = labelOf(run, differing.get(run) ?? []);
      return [
        { name, colour: runColour(colour), ...loss },
        { name: `${name}${held}`, colour: runColour(colour), ...heldOut, style: "dashes" },
      ];
    }),
    ...levels(visible).map(
      ([name, value]): PlottedCurve => ({
        ...{ name, colour: "var(--faint-ink)", style: "dashes" },
        ...{ steps: [0, last], values: [value, value] },
      }),
    ),
  ];
}

/** Losses to compare with, as levels across the plot; each once. */
function levels(records: readonly RunRecord[]): [name: string, value: number][] {
  const of = (name: string, values: readonly (number | undefined)[]) =>
    [...new Set(values)].flatMap((value): [string, number][] => (value === undefined ? [] : [[name, value]]));
  return [
    ...of(
      "knowing nothing",
      records.map(({ baseline }) => baseline),
    ),
    ...of(
      "the best there is",
      records.map(({ best }) => best),
    ),
  ];
}

/** What is solid, what is dashed, and the levels; which colour is which run says the table. */
function linesOf(records: readonly RunRecord[]): LegendItem[] {
  return [
    { name: "in training", colour: "var(--ink)" },
    { name: "held out from training", colour: "var(--ink)", style: "dashes" },
    ...levels(records).map(
      ([name, value]): LegendItem => ({ name, colour: "var(--faint-ink)", style: "dashes", note: short(value) }),
    ),
  ];
}
