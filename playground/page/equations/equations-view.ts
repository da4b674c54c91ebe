/** @file The equations of the cell in the editor, typeset from its graph, in the colours of its gates. */
import type { CellTrace } from "../../../compiler/dsl/traced-cell.ts";
import { type Equation, equationsOf, latexOf } from "../../../interchange/latex/equations.ts";
import { copy } from "../clipboard.ts";
import { gateColours, type ScopeColours } from "../diagram/gate-colours.ts";
import { button, h } from "../dom.ts";

/** More lines than this are no help, and take long to set. */
const mostLines = 60;
/** Pixels that a character takes, about. */
const characterWidth = 8.5;

export interface EquationsView {
  readonly element: HTMLElement;
  readonly show: (trace: CellTrace) => void;
  /** Whether what is shown is older than the source. */
  readonly outdate: (isOld: boolean) => void;
}

export function equationsView(): EquationsView {
  const formula = h("div", {
    class: "formula",
    role: "group",
    tabindex: 0,
    "aria-label": "Equations of one time step",
  });
  const note = h("p", { class: "about" });
  let shown: CellTrace | undefined;
  let width = 0;
  let latest = 0;

  const draw = async () => {
    const own = ++latest;
    if (shown === undefined || formula.clientWidth === 0) return;
    width = formula.clientWidth;
    const equations = equationsOf(shown, Math.max(24, Math.floor(width / characterWidth)));
    const { typeset } = await import("./typeset.ts");
    // Another cell may have come meanwhile.
    if (own !== latest) return;
    typeset(latexOf(coloured(equations.slice(0, mostLines), gateColours(shown))), formula);
    const left = equations.length - mostLines;
    note.textContent = left > 0 ? `The first ${mostLines} of ${equations.length} equations.` : "";
  };
  new ResizeObserver(() => {
    if (formula.clientWidth !== width) void draw();
  }).observe(formula);

  const copyTex = button("Copy LaTeX", async () => {
    if (shown === undefined) return;
    copyTex.textContent = (await copy(latexOf(equationsOf(shown)))) ? "Copied" : "Could not copy";
    window.setTimeout(() => {
      copyTex.textContent = "Copy LaTeX";
    }, 1500);
  });
  const summary = h("summary", {}, "Equations");
  const element = h(
    "details",
    { class: "equations", open: true },
    summary,
    formula,
    note,
    h("div", { class: "row" }, copyTex, h("small", {}, "∘ is element by element; W, U and b are the weights.")),
  );
  return {
    element,
    show: (trace) => {
      shown = trace;
      void draw();
    },
    outdate: (isOld) => {
      element.classList.toggle("outdated", isOld);
      summary.textContent = isOld ? "Equations, as they were before the fault" : "Equations";
    },
  };
}

/** Each gate in its colour, where it is computed and where it is read. */
function coloured(equations: readonly Equation[], colours: ScopeColours): Equation[] {
  const inks = equations.flatMap(({ left, scope }): [string, string][] => {
    const colour = scope === undefined ? undefined : colours.get(scope);
    return colour === undefined ? [] : [[left, colour]];
  });
  const inked = (tex: string) =>
    inks.reduce((text, [name, colour]) => {
      // Words alone: a letter may be part of something else.
      if (!/^\\(?:mathrm|text)\{/.test(name)) return text;
      return text.replaceAll(name, `\\htmlStyle{color: color-mix(in srgb, ${colour} 72%, var(--ink))}{${name}}`);
    }, tex);
  return equations.map((equation) => ({
    ...equation,
    left: inked(equation.left),
    right: equation.right.map(inked),
  }));
}
