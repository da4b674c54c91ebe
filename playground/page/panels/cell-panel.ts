/** @file The cell: tabs of the cells that are compared, the editor with its faults, and the drawing. */
import type { CellTrace, TracedCell } from "../../../compiler/dsl/traced-cell.ts";
import { cellText } from "../../../interchange/equations/write.ts";
import type { SourceFault } from "../../sandbox/messages.ts";
import { arrange } from "../diagram/arrange.ts";
import { diagramOf } from "../diagram/diagram.ts";
import { draw } from "../diagram/draw.ts";
import { gateColours } from "../diagram/gate-colours.ts";
import { button, h } from "../dom.ts";
import { createEditor } from "../editor/editor.ts";
import { equationsView } from "../equations/equations-view.ts";
import { isEquations } from "../equations-cell.ts";
import { presets } from "../presets.ts";
import type { Sandbox } from "../sandbox-client.ts";
import { messageOf, type Training } from "../session/training.ts";
import { mostCells, type Workspace } from "../session/workspace.ts";
import { cellTabs } from "./cell-tabs.ts";
import { menu } from "./field.ts";

/** How long the keyboard rests before the code runs, in milliseconds. */
const rest = 200;

export function cellPanel(workspace: Workspace, training: Training, sandbox: Sandbox): HTMLElement {
  let timer: number | undefined;
  let runs = 0;
  let shown = { id: 0, source: "" };
  const editor = createEditor({
    onEdit: (source) => {
      shown = { ...shown, source };
      if (source !== workspace.activeCell.source) workspace.edit(source);
      soon();
    },
    onLine: (line) => markLine(drawing, line),
  });
  const drawing = h("div", { class: "drawing", role: "group", tabindex: 0, "aria-label": "Drawing of the cell" });
  const equations = equationsView();
  const fault = button("", () => editor.goTo(faultLine));
  fault.className = "fault";
  const faults = h("div", { class: "faults", role: "status" });
  let faultLine = 1;

  const showFault = (found: SourceFault | undefined) => {
    const placed = editor.showFault(found);
    const line = placed?.line;
    faultLine = line ?? 1;
    fault.textContent = `${line === undefined ? "" : `Line ${line}: `}${placed?.message ?? ""}`;
    faults.replaceChildren(...(found === undefined ? [] : [fault]));
    drawing.classList.toggle("outdated", found !== undefined);
    equations.outdate(found !== undefined);
  };
  let trace: CellTrace | undefined;
  const asEquations = button("As equations", () => {
    if (trace === undefined) return;
    try {
      workspace.edit(`# ${workspace.activeCell.name}:\n${cellText(trace)}`);
    } catch (error) {
      showFault({ message: messageOf(error) });
    }
  });
  asEquations.title = "Writes the cell as equations in place of its code, where that is possible";
  const showCell = (traced: TracedCell) => {
    [trace] = traced.traces;
    if (trace === undefined) return;
    const diagram = diagramOf(trace);
    const picture = draw(arrange(diagram), gateColours(trace), editor.goTo);
    const gates = diagram.parts.flatMap(({ kind, about }) => (kind === "gate" ? [about] : []));
    picture.setAttribute(
      "aria-label",
      `The cell ${traced.name}. States: ${diagram.loops.map(({ state }) => state).join(", ")}. Gates: ${gates.join("; ") || "none"}.`,
    );
    drawing.replaceChildren(picture);
    equations.show(trace);
  };
  const run = async () => {
    const own = ++runs;
    const { units, embed } = workspace.settings.value;
    const features = training.data.value?.features ?? embed;
    const { id, source } = workspace.activeCell;
    const outcome = await sandbox.trace(source, [{ units, features }], { lane: "editor" });
    // Something newer is on its way.
    if (own !== runs || outcome.kind === "superseded") return;
    showFault(outcome.kind === "fault" ? outcome.fault : undefined);
    asEquations.hidden = isEquations(source);
    if (outcome.kind !== "traced") return;
    showCell(outcome.traced);
    if (workspace.cells.value.some((cell) => cell.id === id && cell.source === source))
      workspace.rename(id, outcome.traced.name);
  };
  const soon = () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => void run(), rest);
  };
  const follow = () => {
    const { id, source } = workspace.activeCell;
    if (id === shown.id && source === shown.source) return;
    shown = { id, source };
    editor.open(id, source);
    soon();
  };
  workspace.cells.follow(follow);
  workspace.active.follow(follow);
  workspace.settings.follow(soon);
  training.data.follow(soon);
  sandbox.held.follow(soon);
  void sandbox.names.then(editor.completeNames);

  const choices = presets.map(({ name, about }) => ({ value: name, label: `${name} – ${about}` }));
  const presetOf = (name: string) => presets.find((preset) => preset.name === name);
  const startFrom = menu("Start from…", choices, (name) => {
    const preset = presetOf(name);
    if (preset !== undefined) workspace.startFrom(preset);
  });
  const compare = menu("Compare with…", choices, (name) => {
    const preset = presetOf(name);
    if (preset !== undefined) workspace.add(preset.name, preset.source);
  });
  workspace.cells.follow((cells) => {
    compare.disabled = cells.length >= mostCells;
  });
  return h(
    "div",
    { class: "cell-panel" },
    h("div", { class: "cell-bar" }, cellTabs(workspace), startFrom, compare, asEquations),
    drawing,
    equations.element,
    startedLine(workspace),
    h("div", { class: "editor" }, editor.element),
    faults,
  );
}

/** Says that another cell took the place of one, and takes that back. */
function startedLine(workspace: Workspace): HTMLElement {
  const text = h("span", { role: "status" });
  const undo = button("Undo", () => workspace.undoStart());
  const close = button("×", () => workspace.started.set(undefined), {
    class: "close",
    "aria-label": "Keep the new cell",
  });
  const line = h("div", { class: "started" }, text, undo, close);
  workspace.started.follow((started) => {
    line.hidden = started === undefined;
    text.textContent =
      started === undefined ? "" : `${started.name} replaced ${started.before.name}, whose code is kept.`;
  });
  return line;
}

function markLine(drawing: HTMLElement, line: number): void {
  for (const part of drawing.querySelectorAll(".part")) {
    part.classList.toggle("at-cursor", part.getAttribute("data-line") === String(line));
  }
}
