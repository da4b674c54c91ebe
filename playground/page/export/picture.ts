/** @file A plot as a picture to pass on: title, legend, curves and axes in the page's colours, at twice the size. */
import { colour } from "../colours.ts";
import { type PlotOptions, type PlottedCurve, plotCanvas } from "../plots/plot.ts";

export interface LegendEntry {
  readonly name: string;
  /** A colour of the style sheet. */
  readonly colour: string;
  readonly style?: PlottedCurve["style"];
}

export interface PictureOptions {
  readonly title: string;
  readonly plot: PlotOptions;
  readonly curves: readonly PlottedCurve[];
  readonly legend: readonly LegendEntry[];
}

const scale = 2;
const width = 960;
const margin = 24;
const font = (size: number, weight = 400) => `${weight} ${size}px ui-sans-serif, system-ui, sans-serif`;
const lineHeight = 22;
const stroke = 26;

/** A PNG, 1920 pixels wide. */
export async function pictureOf({ title, plot, curves, legend }: PictureOptions): Promise<Blob> {
  const drawing = await plotCanvas(plot, curves, width - 2 * margin, scale);
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("this browser draws no pictures: take the CSV");
  context.font = font(14);
  const lines = wrapped(legend, (text) => context.measureText(text).width);
  const top = margin + 30 + lines.length * lineHeight + 10;
  canvas.width = width * scale;
  canvas.height = (top + plot.height + margin) * scale;
  context.scale(scale, scale);
  context.fillStyle = colour("var(--card)");
  context.fillRect(0, 0, width, canvas.height);
  context.textBaseline = "middle";
  context.fillStyle = colour("var(--ink)");
  context.font = font(19, 600);
  context.fillText(title, margin, margin + 8, width - 2 * margin);
  context.font = font(14);
  for (const [row, entries] of lines.entries())
    for (const { entry, x } of entries) drawEntry(context, entry, x, margin + 30 + (row + 0.5) * lineHeight);
  context.drawImage(drawing, margin, top, width - 2 * margin, plot.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) => (blob === null ? reject(new Error("the picture is too large")) : resolve(blob)),
      "image/png",
    ),
  );
}

function drawEntry(context: CanvasRenderingContext2D, entry: LegendEntry, x: number, y: number): void {
  context.strokeStyle = colour(entry.colour);
  context.lineWidth = 2;
  context.setLineDash(entry.style === "dashes" ? [5, 4] : []);
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + stroke, y);
  context.stroke();
  context.fillText(entry.name, x + stroke + 7, y, width - margin - x - stroke - 7);
}

/** The entries in lines that are no wider than the picture. */
function wrapped(legend: readonly LegendEntry[], widthOf: (text: string) => number) {
  const lines: { entry: LegendEntry; x: number }[][] = [];
  let x = width;
  for (const entry of legend) {
    const needed = stroke + 7 + widthOf(entry.name) + 24;
    if (x + needed > width - margin) {
      lines.push([]);
      x = margin;
    }
    lines.at(-1)?.push({ entry, x });
    x += needed;
  }
  return lines;
}
