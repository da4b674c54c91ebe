/**
 * @file Gates and states over a sample: for each of them a strip with a column for each time step and a row for each
 * unit. All strips share their columns with the text above them.
 */
import type { SampleTrace, TracedValue } from "../../shared/protocol.ts";
import { colour } from "../colours.ts";
import type { ScopeColours } from "../diagram/gate-colours.ts";
import { h } from "../dom.ts";

/** In pixels: few steps are drawn wider, so that they fill what a page has. */
const columnWidths = { least: 11, most: 22, all: 1300 };
/** A strip is about so high, whatever the number of units. */
const stripHeight = 72;
const mostColumns = 400;

export function heatMap(trace: SampleTrace, colours: ScopeColours): HTMLElement {
  const shown = Math.min(trace.symbols.length, mostColumns);
  const { least, most, all } = columnWidths;
  const columnWidth = Math.min(most, Math.max(least, Math.floor(all / shown)));
  const letters = h("div", { class: "letters", "aria-hidden": "true" });
  // Characters stand above their columns; numbers would not fit.
  if (trace.symbols.every((symbol) => symbol.length <= 2)) {
    const spans = trace.symbols.slice(0, shown).map((symbol) => h("span", {}, visible(symbol)));
    for (const span of spans) span.style.width = `${columnWidth}px`;
    letters.append(...spans);
  }
  const readout = h("p", { class: "readout", role: "status" }, "Point at a cell of the map to read it.");
  const strips = trace.values.map((value) => {
    const ink = (value.kind === "gate" ? colours.get(scopeOf(value.name)) : undefined) ?? "var(--state)";
    const canvas = drawStrip(value, shown, columnWidth, ink);
    canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
      readout.textContent = describe(value, trace.symbols, offsetX / columnWidth, offsetY / canvas.clientHeight);
    });
    return h(
      "figure",
      {},
      h(
        "figcaption",
        {},
        h("i", { class: "dot", style: `--colour: ${ink}` }),
        shortName(value.name),
        scaleOf(value, ink),
      ),
      canvas,
    );
  });
  const note = trace.symbols.length > shown ? `The first ${shown} of ${trace.symbols.length} steps.` : undefined;
  return h(
    "div",
    { class: "heat-map" },
    h(
      "p",
      { class: "about" },
      "A column for each time step, with what it read above; a row for each unit. The bar beside a name says which colour is which value.",
    ),
    readout,
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": "Gates and states by time step" },
      letters,
      ...strips,
    ),
    note === undefined ? undefined : h("p", { class: "about" }, note),
  );
}

/** The colours of a strip from the least value to the largest, with both. */
function scaleOf({ kind, range: [low, high] }: TracedValue, ink: string): HTMLElement {
  const reach = Math.max(Math.abs(low), Math.abs(high)) || 1;
  // As `drawStrip` has them: the ground at 0, full colour at the largest magnitude.
  const colourAt = (value: number) =>
    `color-mix(in srgb, ${value < 0 ? "var(--negative)" : ink} ${Math.round((100 * Math.abs(value)) / reach)}%, var(--card))`;
  const stops = low < 0 && high > 0 ? [low, 0, high] : [low, high];
  const text = (value: number) => (kind === "gate" ? String(value) : value.toPrecision(2));
  return h(
    "small",
    { class: "scale" },
    `${kind}, ${text(low)}`,
    h("i", {
      class: "ramp",
      style: `--ramp: ${stops.map((value) => `${colourAt(value)} ${(100 * (value - low)) / (high - low || 1)}%`).join(", ")}`,
    }),
    text(high),
  );
}

/** Of "layers/0/lstm/forget": the scope within the cell, "forget". */
export function scopeOf(name: string): string {
  return /^layers\/\d+\/[^/]+\/(.+)$/.exec(name)?.[1] ?? name;
}

/** As people call it; with its layer where that is not the first. */
function shortName(name: string): string {
  return name
    .replace(/layers\/0\/(?:[^/ ]+\/)?/g, "")
    .replace(
      /layers\/(\d+)\/(?:[^/ ]+\/)?(.+)/g,
      (_, layer: string, rest: string) => `${rest} of layer ${Number(layer) + 1}`,
    );
}

function drawStrip(value: TracedValue, shown: number, columnWidth: number, ink: string): HTMLCanvasElement {
  const { columns: units, values } = value.table;
  const canvas = h("canvas", {
    width: shown,
    height: units,
    role: "img",
    "aria-label": `${value.name} by time step and unit`,
  });
  canvas.style.width = `${shown * columnWidth}px`;
  canvas.style.height = `${Math.max(stripHeight, Math.min(units, 96))}px`;
  const context = canvas.getContext("2d");
  if (context === null) return canvas;
  const image = context.createImageData(shown, units);
  const [ground, above, below] = [parse(colour("var(--card)")), parse(colour(ink)), parse(colour("var(--negative)"))];
  const [low, high] = value.range;
  const reach = Math.max(Math.abs(low), Math.abs(high)) || 1;
  for (let t = 0; t < shown; t++) {
    for (let unit = 0; unit < units; unit++) {
      const x = (values[t * units + unit] ?? 0) / reach;
      const [towards, share] = x < 0 ? [below, Math.min(1, -x)] : [above, Math.min(1, x)];
      const place = 4 * (unit * shown + t);
      for (let channel = 0; channel < 3; channel++) {
        const from = ground[channel] ?? 0;
        image.data[place + channel] = from + ((towards[channel] ?? 0) - from) * share;
      }
      image.data[place + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function describe({ name, table }: TracedValue, symbols: readonly string[], column: number, height: number): string {
  const t = Math.floor(column);
  const unit = Math.min(table.columns - 1, Math.max(0, Math.floor(height * table.columns)));
  const value = table.values[t * table.columns + unit];
  if (value === undefined) return "";
  return `${name}, unit ${unit}, step ${t} (read ${JSON.stringify(symbols[t] ?? "")}): ${value.toFixed(3)}`;
}

function parse(rgb: string): number[] {
  return (rgb.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
}

/** Spaces and line breaks as signs. */
function visible(symbol: string): string {
  return symbol === " " ? "·" : symbol === "\n" ? "↵" : symbol === "\t" ? "→" : symbol;
}
