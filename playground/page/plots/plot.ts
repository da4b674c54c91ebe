/** @file A plot of curves that grow: uPlot, in the page's colours, as wide as its place, drawn at most some times a second. */
import uPlot from "uplot";
import { ticksInWords } from "../numbers.ts";
import "uplot/dist/uPlot.min.css";
import { colour, onTheme } from "../colours.ts";
import { h } from "../dom.ts";

export interface PlottedCurve {
  readonly name: string;
  /** A colour of the style sheet. */
  readonly colour: string;
  readonly steps: readonly number[];
  readonly values: readonly number[];
  readonly style?: "line" | "dashes" | "points";
}

export interface PlotOptions {
  readonly label: string;
  readonly xLabel: string;
  readonly yLabel?: string;
  readonly height: number;
  /** Powers of ten up the side. */
  readonly logarithmic?: boolean;
  /** A level that is shown as a line, such as the loss of knowing nothing. */
  readonly format?: (value: number) => string;
  /** X runs from right to left. */
  readonly backwards?: boolean;
}

export interface Plot {
  readonly element: HTMLElement;
  /** `yLabel` says in what they are measured, where that changes with them. */
  readonly show: (curves: readonly PlottedCurve[], yLabel?: string) => void;
}

/** Steps are whole, and so are the marks along them. */
const wholeSteps = Array.from({ length: 8 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

/** Milliseconds between two drawings. */
const pace = 250;

export function createPlot(options: PlotOptions): Plot {
  const element = h("div", {
    class: "plot",
    role: "img",
    "aria-label": options.label,
    style: `height: ${options.height}px`,
  });
  let shown: readonly PlottedCurve[] = [];
  let { yLabel } = options;
  let plot: uPlot | undefined;
  let form = "";
  let timer: number | undefined;

  const draw = () => {
    timer = undefined;
    if (element.clientWidth === 0) return;
    const data = joined(shown);
    const wanted = JSON.stringify([yLabel, ...shown.map(({ name, colour, style }) => [name, colour, style])]);
    if (plot === undefined || wanted !== form) {
      plot?.destroy();
      form = wanted;
      plot = new uPlot(
        optionsOf({ ...options, ...(yLabel !== undefined && { yLabel }) }, shown, element.clientWidth),
        data,
        element,
      );
    } else plot.setData(data);
  };
  const soon = () => {
    if (timer === undefined) timer = window.setTimeout(() => requestAnimationFrame(draw), pace);
  };
  new ResizeObserver(() => {
    if (plot === undefined) soon();
    else if (element.clientWidth > 0) plot.setSize({ width: element.clientWidth, height: options.height });
  }).observe(element);
  onTheme(() => {
    form = "";
    soon();
  });
  return {
    element,
    show: (curves, unit = options.yLabel) => {
      shown = curves;
      yLabel = unit;
      soon();
    },
  };
}

/** One column of x for all curves, with gaps where a curve has no point. */
function joined(curves: readonly PlottedCurve[]): uPlot.AlignedData {
  if (curves.length === 0) return [[]];
  return uPlot.join(curves.map(({ steps, values }): uPlot.AlignedData => [[...steps], [...values]]));
}

/** The plot alone, drawn at a fixed number of pixels per unit, whatever the screen's resolution. */
export async function plotCanvas(
  options: PlotOptions,
  curves: readonly PlottedCurve[],
  width: number,
  pixels: number,
): Promise<HTMLCanvasElement> {
  const scale = pixels / devicePixelRatio;
  const plot = new uPlot(optionsOf(options, curves, width, scale), joined(curves), document.createElement("div"));
  // It draws in a microtask of its own.
  await new Promise((resolve) => window.setTimeout(resolve, 0));
  const { canvas } = plot.ctx;
  plot.destroy();
  return canvas;
}

function optionsOf(options: PlotOptions, curves: readonly PlottedCurve[], width: number, scale = 1): uPlot.Options {
  const { height, logarithmic = false, xLabel, backwards = false } = options;
  const [ink, grid] = [colour("var(--faint-ink)"), colour("var(--grid)")];
  const font = `${11 * scale}px ui-sans-serif, system-ui, sans-serif`;
  const axis = { stroke: ink, font, labelFont: font, grid: { stroke: grid, width: scale }, ticks: { show: false } };
  const { format, yLabel } = options;
  return {
    width: width * scale,
    height: height * scale,
    legend: { show: false },
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    scales: {
      x: { time: false, dir: backwards ? -1 : 1 },
      y: logarithmic ? { distr: 3 } : { range: (_, least, most) => padded(least, most) },
    },
    axes: [
      {
        ...{ ...axis, label: xLabel, labelSize: 16 * scale, size: 26 * scale, gap: 2 * scale, incrs: wholeSteps },
        space: 50 * scale,
      },
      {
        ...{ ...axis, size: 52 * scale, gap: 4 * scale },
        ...(yLabel !== undefined && { label: yLabel, labelSize: 18 * scale }),
        space: (height < 150 ? 18 : 34) * scale,
        values: (_, ticks) =>
          format === undefined ? ticksInWords(ticks) : ticks.map((tick) => (tick === null ? "" : format(tick))),
      },
    ],
    series: [
      {},
      ...curves.map(({ name, colour: name_, style = "line" }): uPlot.Series => {
        const stroke = colour(name_);
        return {
          label: name,
          stroke,
          width: (style === "line" ? 1.75 : 1.5) * scale,
          spanGaps: true,
          ...(style === "dashes" && { dash: [5 * scale, 4 * scale] }),
          points: { show: style === "points", size: 5 * scale, fill: stroke, stroke },
          ...(style === "points" && { paths: () => null }),
        };
      }),
    ],
  };
}

function padded(least: number | null, most: number | null): [number, number] {
  if (least === null || most === null) return [0, 1];
  const room = (most - least) * 0.06 || Math.abs(most) * 0.1 || 1;
  return [least - room, most + room];
}
