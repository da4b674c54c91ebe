/** @file The curves of all runs on one plot, their speed below, and the latest figures as a table, which is the legend. */
import { h } from "../dom.ts";
import { grouped, rate, short } from "../numbers.ts";
import { createPlot, type PlottedCurve } from "../plots/plot.ts";
import type { Training } from "../session/training.ts";

/** Milliseconds between two updates of the figures: more often is not read. */
const pace = 250;

export function curvesPanel(training: Training): HTMLElement {
  const loss = createPlot({ label: "Loss by step", xLabel: "step", height: 240 });
  const speed = createPlot({ label: "Tokens per second by step", xLabel: "step", height: 96, format: rate });
  const body = h("tbody");
  const table = h(
    "table",
    { class: "figures" },
    h("thead", {}, row("th", "Cell", "Step", "Loss", "Held-out", "Tokens/s")),
    body,
  );
  const empty = h(
    "ol",
    { class: "empty" },
    h("li", {}, "Pick a cell, or change the equations of this one: the picture follows."),
    h("li", {}, "Press Train. The loss falls here, in training and on data that are held out from it."),
    h("li", {}, "Look inside: what it writes, what its gates do, how far its gradient reaches."),
  );
  const about = h("small");
  const drawn = h(
    "div",
    { class: "curves" },
    h("h3", {}, "Loss", about),
    loss.element,
    h("h3", {}, "Tokens per second"),
    speed.element,
  );
  const colourOf = (run: string) => training.colourOf(run);

  const show = () => {
    const runs = [...training.history.runs];
    const any = runs.length > 0;
    empty.hidden = any;
    table.hidden = !any;
    drawn.hidden = !any;
    body.replaceChildren(
      ...runs.map(([name, { last, heldOut }]) => {
        const latest = heldOut.values.at(-1);
        const cells = [
          grouped(last?.step ?? 0),
          last === undefined ? "–" : short(last.loss),
          latest === undefined ? "–" : short(latest),
          last === undefined ? "–" : rate(last.tokensPerSecond),
        ];
        const line = row("td", "", ...cells);
        line.firstElementChild?.append(h("i", { class: "dot", style: `--colour: ${colourOf(name)}` }), name);
        return line;
      }),
    );
    const { baseline, best } = training.data.value ?? {};
    about.textContent = `in training, and held out (dashed); grey: knowing nothing${best === undefined ? "" : ", and the best there is"}`;
    const steps = runs.flatMap(([, history]) => history.loss.steps);
    loss.show([
      ...runs.flatMap(([name, history]): PlottedCurve[] => [
        { name, colour: colourOf(name), ...history.loss },
        { name: `${name}, held out`, colour: colourOf(name), ...history.heldOut, style: "dashes" },
      ]),
      ...levelsOf({ "knowing nothing": baseline, "the best there is": best }, steps),
    ]);
    speed.show(runs.map(([name, { speed }]) => ({ name, colour: colourOf(name), ...speed })));
  };
  let timer: number | undefined;
  training.progress.follow(() => {
    if (timer !== undefined) return;
    timer = window.setTimeout(() => {
      timer = undefined;
      show();
    }, pace);
  });
  show();
  return h("div", { class: "curves-panel" }, empty, table, drawn);
}

/** Losses to compare with, as levels across the plot. */
function levelsOf(levels: Readonly<Record<string, number | undefined>>, steps: readonly number[]): PlottedCurve[] {
  const last = steps.reduce((a, b) => Math.max(a, b), 0);
  return Object.entries(levels).flatMap(([name, value]): PlottedCurve[] =>
    value === undefined
      ? []
      : [{ name, colour: "var(--faint-ink)", steps: [0, last], values: [value, value], style: "dashes" }],
  );
}

function row(kind: "td" | "th", ...cells: readonly string[]): HTMLTableRowElement {
  return h("tr", {}, ...cells.map((text) => h(kind, kind === "th" ? { scope: "col" } : {}, text)));
}
