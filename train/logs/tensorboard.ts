/** @file A log for TensorBoard. */
import { expectArgument, UserError } from "../../compiler/graph/errors.ts";
import { eventRecord } from "./event-file.ts";
import { type ByteSink, type LogEnd, openSink } from "./sink.ts";

/** A log for TensorBoard: curves of numbers, and texts. */
export interface TensorboardWriter extends LogEnd {
  /** Adds a point to a curve for each number, by its name. Names with a slash, such as `loss/training`, are shown together. */
  readonly scalars: (step: number, numbers: Readonly<Record<string, number>>) => void;
  /** Adds a text in Markdown. */
  readonly text: (step: number, name: string, text: string) => void;
}

/**
 * Writes an event file of TensorBoard to a function that takes bytes, or to a WritableStream. TensorBoard reads a folder of
 * runs, each a folder with one or more event files: see `tensorboardFileName`.
 *
 * @throws UserError if the sink is neither, or locked; the methods throw one for a step that is no whole number, and for what
 *   is no number or text.
 */
export function tensorboardWriter(sink: ByteSink): TensorboardWriter {
  const { write, flush, close } = openSink("tensorboardWriter", sink);
  const now = () => Date.now() / 1000;
  write(eventRecord({ time: now(), version: "brain.Event:2" }));
  return {
    flush,
    close,
    scalars: (step, numbers) => {
      checkStep("scalars", step);
      const wrong = Object.entries(numbers).find(([, number]) => typeof number !== "number");
      if (wrong !== undefined) expectArgument(false, `scalars: ${wrong[0]}`, wrong[1], "a number");
      const values = Object.entries(numbers).map(([tag, number]) => ({ tag, number }));
      write(eventRecord({ time: now(), step, values }));
    },
    text: (step, name, text) => {
      checkStep("text", step);
      expectArgument(typeof text === "string", `text: ${name}`, text, "a text");
      write(eventRecord({ time: now(), step, values: [{ tag: name, text }] }));
    },
  };
}

/** A name for an event file that starts now: TensorBoard reads the files whose names contain `tfevents`. */
export function tensorboardFileName(): string {
  return `events.out.tfevents.${Math.floor(Date.now() / 1000)}.cellgrad`;
}

function checkStep(where: string, step: number): void {
  if (!(Number.isSafeInteger(step) && step >= 0))
    throw new UserError(`${where}: the step is ${step}; expected a whole number, 0 or more`);
}
