/** @file Says what device was found, and what to do where it is not the best there could be. */
import { h } from "./dom.ts";
import { notify } from "./notices.ts";
import type { Training } from "./session/training.ts";
import { tinySettings, type Workspace } from "./session/workspace.ts";

/** The name of the device; and where it is no GPU that the visitor has not chosen, why, and how to get one. */
export function deviceChip(workspace: Workspace, training: Training): HTMLElement {
  const chip = h("span", { class: "chip" });
  let told = false;
  training.device.follow((device) => {
    chip.hidden = device === undefined;
    if (device === undefined) return;
    const { kind, name, note } = device;
    chip.textContent = name;
    chip.title = note ?? "The device that trains";
    chip.dataset.kind = kind;
    if (note === undefined || told) return;
    told = true;
    if (kind !== "interpreter") return void notify({ text: note, actions: [{ label: "Close", act: () => {} }] });
    notify({
      kind: "trouble",
      text: note,
      actions: [{ label: "Use a tiny cell", act: () => workspace.settings.set(tinySettings) }],
    });
  });
  return chip;
}
