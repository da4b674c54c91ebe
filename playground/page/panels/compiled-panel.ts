/** @file What the compiler makes of a cell: the IR after each pass, and the WGSL or the WebAssembly of each kernel. */

import type { Inspection } from "../../shared/protocol.ts";
import { copy } from "../clipboard.ts";
import { button, h } from "../dom.ts";
import { createCodeView } from "../editor/code-view.ts";
import { irLanguage } from "../editor/ir-language.ts";
import { watLanguage } from "../editor/wat-language.ts";
import { wgslLanguage } from "../editor/wgsl-language.ts";
import { byteSize, grouped } from "../numbers.ts";
import { messageOf, type Training } from "../session/training.ts";
import type { WorkerClient } from "../worker-client.ts";
import { runChoice } from "./run-choice.ts";

const languages = { WGSL: wgslLanguage, WebAssembly: watLanguage };

export function compiledPanel(
  training: Training,
  worker: WorkerClient,
): { readonly element: HTMLElement; readonly shown: () => void } {
  const { element: choice, chosen } = runChoice(training);
  const view = createCodeView("IR, WGSL or WebAssembly");
  const parts = h("select", { "aria-label": "Pass or kernel" });
  const summary = h("p", { class: "about" });
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const empty = h(
    "p",
    { class: "empty" },
    "Once a cell has been compiled for training, its IR and its kernels are here.",
  );
  const copyText = button("Copy", async () => {
    copyText.textContent = (await copy(text)) ? "Copied" : "Select and copy";
    window.setTimeout(() => {
      copyText.textContent = "Copy";
    }, 1500);
  });
  const content = h(
    "div",
    {},
    h("div", { class: "row" }, choice, parts, copyText),
    summary,
    problem,
    h("div", { class: "code" }, view.element),
  );
  let text = "";
  let inspected: { readonly of: unknown; readonly on: unknown; readonly inspection: Inspection } | undefined;

  const show = () => {
    if (inspected === undefined) return;
    const { passes, kernels } = inspected.inspection;
    const index = Number(parts.value.slice(1));
    const pass = parts.value.startsWith("p") ? passes[index] : undefined;
    const kernel = parts.value.startsWith("k") ? kernels[index] : undefined;
    text = pass?.text ?? kernel?.text ?? "";
    view.show(text, kernel === undefined ? irLanguage : languages[kernel.language]);
    summary.textContent =
      pass === undefined
        ? kernel === undefined
          ? ""
          : `${kernel.label}. ${kernel.about} ${totalsOf(inspected.inspection)}`
        : `${pass.about || "As traced"}. ${totalsOf(inspected.inspection)}`;
  };
  const list = ({ passes, kernels }: Inspection) => {
    const before = parts.value;
    const option = (value: string, label: string) => h("option", { value }, label);
    const same = (i: number) => i > 0 && passes[i]?.text === passes[i - 1]?.text;
    parts.replaceChildren(
      h(
        "optgroup",
        { label: "IR after each pass" },
        ...passes.map(({ name, nodes }, i) =>
          option(`p${i}`, `${i}. ${name} – ${same(i) ? "nothing changed" : `${nodes} nodes`}`),
        ),
      ),
      h(
        "optgroup",
        { label: `Kernels (${kernels[0]?.language ?? "none"})` },
        ...kernels.map(({ name, label }, i) => option(`k${i}`, `${name} – ${label}`)),
      ),
    );
    parts.value = before;
    if (parts.value === "") parts.value = "p0";
  };
  const inspect = async () => {
    const { value: run } = chosen;
    const of = training.runs.value.find((report) => report.run === run);
    if (run === undefined || of === undefined || content.offsetParent === null) return;
    const { value: on } = training.device;
    if (inspected?.of === of && inspected.on === on) return;
    problem.hidden = true;
    try {
      inspected = { of, on, inspection: await worker.ask({ type: "inspect", run }) };
      list(inspected.inspection);
      show();
    } catch (error) {
      problem.hidden = false;
      problem.textContent = messageOf(error);
    }
  };
  parts.addEventListener("change", show);
  const update = () => {
    empty.hidden = chosen.value !== undefined;
    content.hidden = chosen.value === undefined;
    void inspect();
  };
  training.runs.follow(update);
  training.device.follow(update);
  chosen.follow(update);
  return { element: h("div", { class: "compiled-panel" }, empty, content), shown: () => void inspect() };
}

function totalsOf({ dispatches, kernels, bytes, schedules, carries }: Inspection): string {
  const total = dispatches.forward + dispatches.backward + dispatches.update;
  const loops = schedules.map(({ scan, schedule }) => `${scan} ${schedule}`).join(", ");
  return `One training step: ${grouped(total)} dispatches of ${kernels.length} kernels, ${byteSize(bytes)}${loops === "" ? "" : `; loops: ${loops}; carries: ${carries.join("; ")}`}.`;
}
