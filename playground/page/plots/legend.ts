/** @file What the lines of a plot are: a stroke as it is drawn, its name, and a figure where there is one. */
import { h } from "../dom.ts";
import type { PlottedCurve } from "./plot.ts";

export interface LegendItem {
  readonly name: string;
  /** A colour of the style sheet. */
  readonly colour: string;
  readonly style?: PlottedCurve["style"];
  readonly note?: string;
}

export function legendList(label: string): {
  readonly element: HTMLElement;
  readonly show: (items: readonly LegendItem[]) => void;
} {
  const element = h("ul", { class: "legend", "aria-label": label });
  let shown = "";
  return {
    element,
    show: (items) => {
      const wanted = JSON.stringify(items);
      if (wanted === shown) return;
      shown = wanted;
      element.replaceChildren(
        ...items.map(({ name, colour, style = "line", note }) =>
          h(
            "li",
            {},
            h("i", { class: `stroke ${style}`, style: `--colour: ${colour}` }),
            name,
            note === undefined ? undefined : h("small", {}, note),
          ),
        ),
      );
    },
  };
}
