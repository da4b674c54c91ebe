/** @file Progress on standard error: a bar on a terminal; elsewhere, about ten lines per training run. */
import cliProgress from "cli-progress";
import { line, type Streams } from "./streams.ts";
import type { StepReport } from "./training-run.ts";

export interface Progress {
  readonly update: (report: StepReport) => void;
  readonly stop: () => void;
}

/** `unit` is the unit of throughput, such as "characters" (per second). */
export function showProgress(stderr: Streams["stderr"], steps: number, unit: string): Progress {
  return stderr.isTTY ? bar(stderr, steps, unit) : lines(stderr, steps, unit);
}

/** A bar for `total` items of work, on a terminal only; `what` describes the items. */
export function showBar(stderr: Streams["stderr"], total: number, what: string) {
  if (!stderr.isTTY) return { done: () => {}, stop: () => {} };
  const shown = new cliProgress.SingleBar({ ...barStyle, stream: stderr, format: `{bar} {value}/{total}  ${what}` });
  shown.start(total, 0);
  return { done: () => shown.increment(), stop: () => shown.stop() };
}

const barStyle = {
  barCompleteChar: "█",
  barIncompleteChar: "░",
  barsize: 24,
  hideCursor: true,
  // The command handles interrupts itself: it may have a model to save.
  gracefulExit: false,
} as const;

function bar(stderr: Streams["stderr"], steps: number, unit: string): Progress {
  const shown = new cliProgress.SingleBar({
    ...barStyle,
    stream: stderr,
    format: `{bar} {value}/{total}  loss {loss}  {rate} ${unit}/s  {eta_formatted} left`,
  });
  shown.start(steps, 0, { loss: "-", rate: "-" });
  return {
    update: ({ step, loss, tokensPerSecond }) =>
      shown.update(step, { loss: shortLoss(loss), rate: grouped(tokensPerSecond) }),
    stop: () => shown.stop(),
  };
}

function lines(stderr: Streams["stderr"], steps: number, unit: string): Progress {
  let next = 1;
  return {
    update: ({ step, loss, tokensPerSecond }) => {
      if (step < next && step !== steps) return;
      next = step + Math.max(1, Math.floor(steps / 10));
      line(stderr, `step ${step}/${steps}  loss ${shortLoss(loss)}  ${grouped(tokensPerSecond)} ${unit}/s`);
    },
    stop: () => {},
  };
}

/** The loss with three decimals, or with three significant digits if it is below 0.1. */
export function shortLoss(loss: number): string {
  return Math.abs(loss) < 0.1 ? loss.toPrecision(3) : loss.toFixed(3);
}

/** 12345.6 as "12,346". */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
