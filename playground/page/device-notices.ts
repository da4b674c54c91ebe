/** @file Says what device was found, and what to do where there is none. */
import { h } from "./dom.ts";
import { notify } from "./notices.ts";
import type { Training } from "./session/training.ts";
import { tinySettings, type Workspace } from "./session/workspace.ts";

/** The name of the adapter; and where there is none, how to get one, and what goes without. */
export function deviceChip(workspace: Workspace, training: Training): HTMLElement {
  const chip = h("span", { class: "chip" });
  let told = false;
  training.device.follow((device) => {
    chip.hidden = device === undefined;
    if (device === undefined) return;
    const { kind, name, note } = device;
    chip.textContent = name;
    chip.title = note ?? "The adapter that trains";
    chip.dataset.kind = kind;
    // Without a note it is the visitor's own choice.
    if (kind !== "interpreter" || note === undefined || told) return;
    told = true;
    notify({
      kind: "trouble",
      text: `${note} Tiny cells can train on the interpreter, in float64 on the CPU.`,
      actions: [{ label: "Use the CPU interpreter", act: () => workspace.settings.set(tinySettings) }],
    });
  });
  return chip;
}
