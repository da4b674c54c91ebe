/** @file Progress on standard error. Of a training run: a bar on a terminal, and a line now and then anywhere else. */
import cliProgress from "cli-progress";
import { line, type Streams } from "./streams.ts";
import type { StepReport } from "./training-run.ts";

export interface Progress {
  readonly update: (report: StepReport) => void;
  readonly stop: () => void;
}

/** `unit` is what is counted per second, such as "characters". */
export function showProgress(stderr: Streams["stderr"], steps: number, unit: string): Progress {
  return stderr.isTTY ? bar(stderr, steps, unit) : lines(stderr, steps, unit);
}

/** A bar for `total` pieces of work, on a terminal only; `what` says what they are. */
export function showPieces(stderr: Streams["stderr"], total: number, what: string) {
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
  // Interrupts are handled by the command, which may have a model to save.
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

/** Three decimals, or three digits where it is small. */
export function shortLoss(loss: number): string {
  return Math.abs(loss) < 0.1 ? loss.toPrecision(3) : loss.toFixed(3);
}

/** 12345.6 as "12,346". */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
