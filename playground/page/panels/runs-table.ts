/** @file All runs of the visit: which are drawn, what tells them apart, their latest figures. It is the curves' legend. */
import { runColour } from "../colours.ts";
import { button, h } from "../dom.ts";
import { grouped, rate, short } from "../numbers.ts";
import { differences } from "../session/run-labels.ts";
import type { RunRecord } from "../session/runs.ts";
import type { Training } from "../session/training.ts";

interface Row {
  readonly element: HTMLTableRowElement;
  readonly show: (record: RunRecord, differing: readonly string[]) => void;
}

export interface RunsTable {
  readonly element: HTMLElement;
  readonly show: (records: readonly RunRecord[]) => void;
}

export function runsTable(training: Training): RunsTable {
  const body = h("tbody");
  const heads = ["Run", "Step", "Loss", "Held-out", "Tokens/s"].map((text) => h("th", { scope: "col" }, text));
  const head = h("tr", {}, ...heads, h("td"));
  const table = h("table", { class: "figures" }, h("thead", {}, head), body);
  const rows = new Map<string, Row>();
  return {
    element: table,
    show: (records) => {
      const differing = differences(records);
      // Rows stay where they are while figures change: a button that is being pressed must not be replaced.
      for (const run of [...rows.keys()]) if (records.every((record) => record.run !== run)) rows.delete(run);
      for (const record of records) {
        const row = rows.get(record.run) ?? newRow(record, training);
        rows.set(record.run, row);
        row.show(record, differing.get(record.run) ?? []);
      }
      const elements = records.flatMap(({ run }) => rows.get(run)?.element ?? []);
      if (elements.length !== body.children.length || elements.some((element, i) => element !== body.children[i]))
        body.replaceChildren(...elements);
    },
  };
}

function newRow({ run, colour }: RunRecord, training: Training): Row {
  const drawn = h("input", { type: "checkbox", "aria-label": `Show ${run}` });
  drawn.addEventListener("change", () => training.show(run, drawn.checked));
  const remove = button("×", () => void training.remove([run]), { class: "close", "aria-label": `Remove ${run}` });
  const about = h("small");
  const dot = h("i", { class: "dot", style: `--colour: ${runColour(colour)}` });
  const name = h("td", {}, h("label", {}, drawn, dot, h("span", {}, run, about)));
  const figures = Array.from({ length: 4 }, () => h("td"));
  const element = h("tr", {}, name, ...figures, h("td", {}, remove));
  return {
    element,
    show: ({ last, heldOut, live, shown }, differing) => {
      const texts = [
        grouped(last?.step ?? 0),
        ...[last?.loss, heldOut.values.at(-1)].map((value) => (value === undefined ? "–" : short(value))),
        live && last !== undefined ? rate(last.tokensPerSecond) : "–",
      ];
      for (const [i, cell] of figures.entries()) cell.textContent = texts[i] ?? "";
      about.textContent = differing.join(" · ");
      drawn.checked = shown;
      element.classList.toggle("over", !live);
      element.title = live ? "" : "It has ended: its curve and figures are kept, and no memory of the device";
    },
  };
}
