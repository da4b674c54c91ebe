/** @file Tabs as the ARIA pattern has them: one stop for the Tab key, arrows go from one to the next. */
import { h } from "../dom.ts";

export interface Tab {
  readonly id: string;
  readonly label: string;
  readonly panel: HTMLElement;
  readonly onShow?: () => void;
}

export function createTabs(label: string, tabs: readonly Tab[]): HTMLElement {
  const buttons = tabs.map(({ id, label }) =>
    h("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}` }, label),
  );
  const panels = tabs.map(({ id, panel }) =>
    h("div", { role: "tabpanel", id: `panel-${id}`, "aria-labelledby": `tab-${id}`, tabindex: 0 }, panel),
  );
  const show = (chosen: number) => {
    for (const [i, button] of buttons.entries()) {
      button.setAttribute("aria-selected", String(i === chosen));
      button.tabIndex = i === chosen ? 0 : -1;
    }
    for (const [i, panel] of panels.entries()) panel.hidden = i !== chosen;
    tabs[chosen]?.onShow?.();
  };
  const list = h("div", { role: "tablist", "aria-label": label, class: "tabs" }, ...buttons);
  list.addEventListener("keydown", (event) => {
    const here = buttons.indexOf(event.target as HTMLButtonElement);
    const moves: Readonly<Record<string, number>> = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: -1 };
    const move = moves[event.key];
    if (here < 0 || move === undefined) return;
    event.preventDefault();
    const next = (move + buttons.length) % buttons.length;
    show(next);
    buttons[next]?.focus();
  });
  for (const [i, button] of buttons.entries()) button.addEventListener("click", () => show(i));
  show(0);
  return h("div", {}, list, ...panels);
}
