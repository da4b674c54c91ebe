/** @file Training: what to learn from, the buttons, the learning rate, settings, and the curves. */
import { button, h } from "../dom.ts";
import { grouped } from "../numbers.ts";
import type { Phase, Training } from "../session/training.ts";
import type { Workspace } from "../session/workspace.ts";
import type { WorkerClient } from "../worker-client.ts";
import { curvesPanel } from "./curves-panel.ts";
import { dataPanel } from "./data-panel.ts";
import { devicePanel } from "./device-panel.ts";
import { learningRateField, settingsPanel } from "./settings-panel.ts";

export function trainingPanel(workspace: Workspace, training: Training, worker: WorkerClient): HTMLElement {
  return h(
    "div",
    { class: "training-panel" },
    dataPanel(workspace, training, worker),
    devicePanel(training),
    transport(workspace, training),
    problemLine(training),
    curvesPanel(training),
    settingsPanel(workspace),
  );
}

function transport(workspace: Workspace, training: Training): HTMLElement {
  // What was pasted is what is learned from, whether or not the field was left.
  const begin = (start: () => Promise<void>) => {
    const missing = workspace.settle();
    if (missing === undefined) void start();
    else training.problem.set({ message: missing });
  };
  const train = button("Train", () => {
    if (training.phase.value === "lost") void training.recover().then(() => training.start());
    else if (training.phase.value === "training" && !training.stale.value) void training.pause();
    else begin(() => training.start());
  });
  train.className = "primary";
  const anew = button("Train anew", () => begin(() => training.startAnew()), {
    title: "From the first weights, with the settings as they are now; the curves so far stay",
  });
  // The first button pauses, too, but offers something else once there are changes.
  const pause = button("Pause", () => void training.pause());
  const state = h("span", { class: "state", role: "status" });
  const show = () => {
    const { value: phase } = training.phase;
    const fresh = training.runs.value.length === 0;
    train.textContent = labelOf(phase, training.stale.value, fresh);
    train.dataset.phase = phase;
    train.disabled = phase === "opening" || phase === "preparing";
    anew.hidden = fresh;
    anew.disabled = train.disabled || phase === "lost";
    pause.hidden = phase !== "training" || !training.stale.value;
    state.textContent = stateOf(training);
  };
  for (const signal of [training.phase, training.stale, training.runs, training.device]) signal.follow(show);
  return h("div", { class: "transport" }, train, pause, anew, learningRateField(workspace, training), state);
}

function labelOf(phase: Phase, stale: boolean, fresh: boolean): string {
  if (phase === "lost") return "Open the device again";
  if (phase === "preparing") return "Preparing…";
  if (stale) return "Train the changes";
  if (phase === "training") return "Pause";
  return !fresh ? "Resume" : "Train";
}

function stateOf(training: Training): string {
  const { value: phase } = training.phase;
  if (phase === "opening") return "opening a device…";
  if (phase === "preparing") return "compiling kernels…";
  if (phase === "reading") return "reading the data…";
  if (training.stale.value && training.runs.value.length > 0) return "changed since it was trained";
  const [first] = training.runs.value;
  if (first === undefined) return "";
  return `${training.runs.value.map(({ weights }) => grouped(weights)).join(" + ")} weights`;
}

function problemLine(training: Training): HTMLElement {
  const line = h("div", { class: "problem", role: "alert" });
  training.problem.follow((problem) => {
    line.hidden = problem === undefined;
    line.textContent =
      problem === undefined ? "" : `${problem.cell === undefined ? "" : `${problem.cell}: `}${problem.message}`;
  });
  return line;
}
