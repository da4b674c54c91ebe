/** @file Colours for what is drawn on a canvas, from the style sheet, which knows light from dark. */

let probe: HTMLElement | undefined;

/** A colour of the style sheet as the canvas understands it, such as "rgb(47, 111, 208)". */
export function colour(expression: string): string {
  if (probe === undefined) {
    probe = document.createElement("i");
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = expression;
  return getComputedStyle(probe).color;
}

/** Of the curves of a run, by its place. */
export function runColour(place: number): string {
  return `var(--run-${place})`;
}

/** Calls back when light turns to dark or back. */
export function onTheme(listener: () => void): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", listener);
  new MutationObserver(listener).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}
