/**
 * @file The curves of a population as lines: one for each model, on one scale. A terminal shows them during the run, redrawn in
 * place; elsewhere a line comes from time to time.
 */
import { clearScreenDown, moveCursor } from "node:readline";
import { grouped, shortLoss } from "../progress.ts";
import { line, type Streams } from "../streams.ts";
import { type PopulationReport, scoreOf, type TrainedModel } from "./session.ts";

const EIGHTHS = "▁▂▃▄▅▆▇█";
const MILLISECONDS_PER_FRAME = 200;
/** Lines besides the curves: the state of the run, and the line of the cursor. */
const OTHER_LINES = 2;
/** Widest curve, in characters. */
const WIDEST = 48;

/** The curve of each model: `width` characters stand for all planned steps. */
export function curves(models: readonly TrainedModel[], steps: number, width: number): string[] {
  const means = models.map(({ losses }) => columnMeans(losses, steps, width));
  const starts = models.flatMap(({ losses }) => losses.slice(0, 1));
  const low = means.flat().reduce((least, mean) => Math.min(least, mean), Number.POSITIVE_INFINITY);
  // A model that diverges would flatten the others: it leaves the scale at the top.
  const high = starts.reduce((most, loss) => Math.max(most, loss), low);
  const mark = (mean: number) => {
    const level = Math.round(((mean - low) / (high - low || 1)) * (EIGHTHS.length - 1));
    return EIGHTHS[Math.max(0, Math.min(EIGHTHS.length - 1, level))];
  };
  return means.map((all) => all.map(mark).join(""));
}

/** The mean loss of each started column. */
function columnMeans(losses: readonly number[], steps: number, width: number): number[] {
  const columns = Math.min(width, steps);
  return Array.from({ length: columns }, (_, column) => {
    const first = Math.floor((column * steps) / columns);
    const inside = losses.slice(first, Math.max(first + 1, Math.floor(((column + 1) * steps) / columns)));
    return inside.reduce((sum, loss) => sum + loss, 0) / inside.length;
  }).filter((mean) => !Number.isNaN(mean));
}

/** A line for each model: what distinguishes it, its curve, and its loss or what became of it. The best has a mark. */
export function modelLines({ models, training }: PopulationReport, steps: number, columns: number): string[] {
  const label = Math.max(...models.map((model) => model.label.length));
  const width = Math.max(1, Math.min(WIDEST, columns - label - 34));
  const best = [...training].sort((a, b) => scoreOf(models[a]) - scoreOf(models[b]))[0];
  return curves(models, steps, width).map((curve, i) => {
    const model = models[i] as TrainedModel;
    const mark = i === best && Number.isFinite(scoreOf(model)) ? "*" : " ";
    return `${mark} ${model.label.padEnd(label)} ${curve.padEnd(Math.min(width, steps))}  ${endOf(model, training.includes(i))}`.trimEnd();
  });
}

function endOf({ losses, valLoss, divergedAt }: TrainedModel, isTraining: boolean): string {
  if (divergedAt !== undefined) return `not finite at step ${grouped(divergedAt)}`;
  const loss = losses.at(-1);
  if (loss === undefined) return "";
  const measured = valLoss === undefined ? shortLoss(loss) : `${shortLoss(loss)}  held-out ${shortLoss(valLoss)}`;
  return isTraining ? measured : `${measured}  ended at step ${grouped(losses.length)}`;
}

export interface PopulationDisplay {
  readonly update: (report: PopulationReport) => void;
  readonly stop: () => void;
}

export function showPopulation(stderr: Streams["stderr"], steps: number, unit: string): PopulationDisplay {
  return stderr.isTTY ? redrawn(stderr, steps, unit) : lines(stderr, steps, unit);
}

function stateLine(report: PopulationReport, steps: number, unit: string): string {
  const { step, models, training, tokensPerSecond } = report;
  const scores = training.map((model) => lossOf(models[model])).sort((a, b) => a - b);
  const [best = Number.NaN, median = Number.NaN] = [scores[0], scores[Math.floor(scores.length / 2)]];
  return `step ${grouped(step)}/${grouped(steps)}  ${training.length} model${training.length === 1 ? "" : "s"}  best loss ${shortLoss(best)}, median ${shortLoss(median)}  ${grouped(tokensPerSecond)} ${unit}/s`;
}

/** The last training loss; infinite after it was not finite. */
function lossOf(model: TrainedModel | undefined): number {
  const isOver = model === undefined || model.divergedAt !== undefined;
  return isOver ? Number.POSITIVE_INFINITY : (model.losses.at(-1) ?? Number.NaN);
}

function lines(stderr: Streams["stderr"], steps: number, unit: string): PopulationDisplay {
  let next = 1;
  return {
    update: (report) => {
      if (report.step < next && report.step !== steps) return;
      next = report.step + Math.max(1, Math.floor(steps / 10));
      line(stderr, stateLine(report, steps, unit));
    },
    stop: () => {},
  };
}

function redrawn(stderr: Streams["stderr"], steps: number, unit: string): PopulationDisplay {
  let [drawn, drawnAt] = [0, Number.NEGATIVE_INFINITY];
  let report: PopulationReport | undefined;
  const draw = () => {
    if (report === undefined) return;
    const { columns = 80, rows = 24 } = stderr;
    const picture = frame(report, { steps, unit, columns: columns - 1, rows });
    if (drawn > 0) moveCursor(stderr, 0, -drawn);
    clearScreenDown(stderr);
    stderr.write(picture.map((text) => `${text}\n`).join(""));
    [drawn, drawnAt] = [picture.length, performance.now()];
  };
  return {
    update: (given) => {
      report = given;
      if (performance.now() - drawnAt >= MILLISECONDS_PER_FRAME) draw();
    },
    stop: draw,
  };
}

/** The frame as lines that fit a terminal of this size: the best models if there are more than lines. */
export function frame(
  report: PopulationReport,
  {
    steps,
    unit,
    columns,
    rows,
  }: { readonly steps: number; readonly unit: string; readonly columns: number; readonly rows: number },
): string[] {
  const all = modelLines(report, steps, columns);
  const order = [...all.keys()].sort((a, b) => lossOf(report.models[a]) - lossOf(report.models[b]));
  const shown = new Set(order.slice(0, Math.max(1, rows - OTHER_LINES)));
  const lines = all.filter((_, i) => shown.has(i));
  return [...lines, stateLine(report, steps, unit)].map((text) => [...text].slice(0, columns).join(""));
}
