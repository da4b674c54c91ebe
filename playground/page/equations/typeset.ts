/** @file LaTeX as elements, with MathML beside it for those who listen. A module of its own, loaded when there is something to set. */
import katex from "katex";
import "katex/dist/katex.min.css";

/** Colours are all that LaTeX may change of the page; names in it are escaped before. */
export function typeset(tex: string, element: HTMLElement): void {
  katex.render(tex, element, {
    displayMode: true,
    throwOnError: true,
    strict: "ignore",
    trust: ({ command }) => command === "\\htmlStyle",
  });
}
