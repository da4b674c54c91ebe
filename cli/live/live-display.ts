/**
 * @file Live display of the demonstration, on standard error. A terminal shows the loss curve, speed, remaining time and
 * samples of the text, redrawn in place; elsewhere, it prints a line from time to time.
 */
import { clearScreenDown, moveCursor } from "node:readline";
import { grouped, type Progress, shortLoss, showProgress } from "../progress.ts";
import { escapeControls, line, type Streams } from "../streams.ts";
import type { StepReport } from "../training-run.ts";
import { lossCurve } from "./loss-curve.ts";

export interface LiveDisplay extends Progress {
  /** Shows what the network writes at this step. */
  readonly wrote: (step: number, text: string) => void;
}

export interface LiveState {
  /** Planned steps. */
  readonly steps: number;
  /** Unit of throughput, such as "characters" (per second). */
  readonly unit: string;
  /** Of the steps so far. */
  readonly losses: readonly number[];
  readonly perSecond: number;
  readonly secondsLeft: number;
  readonly written: readonly { readonly step: number; readonly text: string }[];
}

/** Largest size of the curve, in characters; smaller on a small terminal. */
const LARGEST = { width: 76, height: 8 };
const MILLISECONDS_PER_FRAME = 100;
/** Lines besides the curve and the samples: speed, a blank line, and the line of the cursor. */
const OTHER_LINES = 3;

export function showLive(stderr: Streams["stderr"], steps: number, unit: string): LiveDisplay {
  return stderr.isTTY ? redrawn(stderr, steps, unit) : lines(stderr, steps, unit);
}

function lines(stderr: Streams["stderr"], steps: number, unit: string): LiveDisplay {
  const width = LARGEST.width;
  return {
    ...showProgress(stderr, steps, unit),
    wrote: (step, text) => line(stderr, writtenLine({ step, text }, steps, width)),
  };
}

function redrawn(stderr: Streams["stderr"], steps: number, unit: string): LiveDisplay {
  const began = performance.now();
  const losses: number[] = [];
  const written: { readonly step: number; readonly text: string }[] = [];
  let [drawn, drawnAt] = [0, Number.NEGATIVE_INFINITY];
  let report: StepReport | undefined;
  const draw = () => {
    const now = performance.now();
    const [done, perSecond] = [report?.step ?? 0, report?.tokensPerSecond ?? 0];
    const secondsLeft = done === 0 ? Number.NaN : (((now - began) / done) * (steps - done)) / 1000;
    const { columns = 80, rows = 24 } = stderr;
    const picture = frame({ steps, unit, losses, perSecond, secondsLeft, written }, columns - 1, rows);
    // The frame leaves the last column free, so that no line wraps.
    if (drawn > 0) moveCursor(stderr, 0, -drawn);
    clearScreenDown(stderr);
    stderr.write(picture.map((text) => `${text}\n`).join(""));
    [drawn, drawnAt] = [picture.length, now];
  };
  return {
    update: (given) => {
      report = given;
      losses.push(given.loss);
      if (performance.now() - drawnAt >= MILLISECONDS_PER_FRAME) draw();
    },
    wrote: (step, text) => {
      written.push({ step, text });
      draw();
    },
    stop: draw,
  };
}

/** The frame as lines that fit a terminal of this size. */
export function frame(state: LiveState, columns: number, rows: number): string[] {
  const { steps, unit, losses, perSecond, secondsLeft, written } = state;
  const width = Math.min(LARGEST.width, columns);
  const height = Math.max(2, Math.min(LARGEST.height, rows - OTHER_LINES - written.length));
  const shown = [
    `step ${grouped(losses.length)}/${grouped(steps)}`,
    `loss ${losses.length === 0 ? "-" : shortLoss(losses.at(-1) ?? Number.NaN)}`,
    `${grouped(perSecond)} ${unit}/s`,
    Number.isNaN(secondsLeft) ? "" : `${duration(secondsLeft)} left`,
  ];
  return [
    ...lossCurve(losses, steps, { width, height }).map((text) => cut(text, width)),
    cut(shown.filter((text) => text !== "").join("  "), width),
    ...written.slice(-Math.max(0, rows - OTHER_LINES - height)).map((sample) => writtenLine(sample, steps, width)),
  ];
}

/** A sample on one line: line breaks and indentation become spaces. */
function writtenLine(
  { step, text }: { readonly step: number; readonly text: string },
  steps: number,
  width: number,
): string {
  const when = grouped(step).padStart(grouped(steps).length);
  return cut(escapeControls(`step ${when} writes: ${text.replace(/\s+/g, " ").trim()}`), width);
}

function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join("")}…`;
}

function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
