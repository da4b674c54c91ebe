/** @file One tab for each cell that is trained, in the colour of its curves. */

import { runColour } from "../colours.ts";
import { button, h } from "../dom.ts";
import type { Workspace } from "../session/workspace.ts";

export function cellTabs(workspace: Workspace): HTMLElement {
  const list = h("div", { class: "cell-tabs", role: "group", "aria-label": "Cells" });
  let shown = "";
  const show = () => {
    const { value: cells } = workspace.cells;
    const wanted = JSON.stringify([workspace.active.value, cells.map(({ id, name, colour }) => [id, name, colour])]);
    if (wanted === shown) return;
    shown = wanted;
    list.replaceChildren(
      ...cells.map(({ id, name, colour }) => {
        const open = button(name, () => workspace.active.set(id), {
          "aria-pressed": String(id === workspace.active.value),
        });
        open.prepend(h("i", { class: "dot", style: `--colour: ${runColour(colour)}` }));
        const close = button("×", () => workspace.remove(id), { class: "close", "aria-label": `Close ${name}` });
        return h("span", { class: "cell-tab" }, open, cells.length > 1 ? close : undefined);
      }),
    );
  };
  workspace.cells.follow(show);
  workspace.active.follow(show);
  return list;
}
