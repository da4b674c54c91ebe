/**
 * @file The training log: as JSON lines for plotting tools, or for TensorBoard (event-log.ts). The fields of a line show its
 * type:
 *
 *   {"run": {…}, "time": "2026-01-31T12:00:00.000Z"}     start of a run: file, cell, sizes, device, seed, the first step
 *   {"step", "loss", "gradientNorm", "tokensPerSecond", "seconds"}      an update; the norm is before clipping
 *   {"step", "valLoss", "best"}                          the held-out loss after a step, and whether it is the lowest so far
 *   {"done": true, "steps", "loss", "valLoss", "seconds", …}            end of the run
 *
 * `seconds` are since the start of the run. A resumed run continues the step numbers and appends its lines.
 */
import { createWriteStream, type WriteStream } from "node:fs";
import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { UserError } from "../compiler/graph/errors.ts";
import { tryWriting } from "../disk/atomic-write.ts";
import { fileFault, outputFault } from "../disk/file-faults.ts";
import type { Measurement } from "./held-out.ts";
import { targetOf } from "./model-output.ts";
import { jsonLine } from "./streams.ts";
import type { TrainCommandOptions } from "./train-options.ts";
import type { StepReport } from "./training-run.ts";
import type { TrainingSetup } from "./training-setup.ts";

export interface TrainingLog {
  readonly write: (entry: object) => void;
  readonly close: () => Promise<void>;
  /** How to look at it, if that is not known. */
  readonly hint?: string;
}

/**
 * Opens a log: a new one, or with `append` one that adds to the file. It must not be one of `others`, the files of the run.
 * Throws a UserError at once if the path cannot be written; an existing file is kept until the first line is written.
 */
export async function openLog(path: string, append: boolean, others: readonly string[]): Promise<TrainingLog> {
  const { target, isFile } = await targetOf("--log", path);
  const taken = await Promise.all(others.map(realPath));
  if (taken.includes(target)) throw new UserError(`--log ${path} is used by this run; give the log another name`);
  const asked = isFile ? tryWriting(target) : Promise.resolve();
  await asked.catch(async (error: unknown) => {
    throw await outputFault(`--log ${path}`, path, error);
  });
  const { stream, close } = openedLate(`--log ${path}`, target, append ? "a" : "w");
  return { write: (entry) => jsonLine(stream(), entry), close };
}

/** A file that is opened when something is written. What fails then is kept, and `close` rejects with it. */
export function openedLate(name: string, path: string, flags: "a" | "w" | "wx") {
  let opened: WriteStream | undefined;
  let fault: unknown;
  return {
    stream: (): WriteStream => {
      opened ??= createWriteStream(path, { flags }).on("error", (error) => {
        fault ??= error;
      });
      return opened;
    },
    close: async (): Promise<void> => {
      await new Promise<void>((resolve) => (opened === undefined ? resolve() : opened.end(() => resolve())));
      if (fault !== undefined) throw fileFault(name, fault);
    },
  };
}

/** The canonical path of a file, whether or not it exists. */
const realPath = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));

/** The first line of a run. */
export function logHead(
  file: string,
  { network }: TrainingSetup,
  device: string,
  { batch, time, steps, seed, lr, lrRange }: TrainCommandOptions,
  before: number,
): object {
  const run = {
    file,
    ...network.config,
    batch,
    time,
    seed,
    learningRate: lrRange ?? lr,
    device,
    first: before + 1,
    steps,
  };
  return { run, time: new Date().toISOString() };
}

/** Returns a function that logs steps and measurements. */
export function logNote(log: TrainingLog | undefined): (entry: StepReport | Measurement) => void {
  const started = performance.now();
  return (entry) => log?.write({ ...entry, seconds: Math.round(performance.now() - started) / 1000 });
}
