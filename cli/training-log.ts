/**
 * @file The log of a training as JSON lines, for tools that plot it. Each line says what it is by its fields:
 *
 *   {"run": {…}, "time": "2026-01-31T12:00:00.000Z"}     a run begins: file, cell, sizes, device, seed, the first step
 *   {"step", "loss", "gradientNorm", "tokensPerSecond", "seconds"}      an update; the norm is that before clipping
 *   {"step", "valLoss", "best"}                          the held-out loss after a step, and whether it is the lowest so far
 *   {"done": true, "steps", "loss", "valLoss", "seconds", …}            the run is over
 *
 * `seconds` count from the run's begin. Steps count on when a run is resumed, and its lines follow those of the earlier run.
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
}

/**
 * A log, empty or, where `append`, behind what is there; never one of the `others`, files of the run. The UserError of a
 * place that cannot be written comes now; what is there is kept until the first line is written.
 */
export async function openLog(path: string, append: boolean, others: readonly string[]): Promise<TrainingLog> {
  const { target, isFile } = await targetOf("--log", path);
  const taken = await Promise.all(others.map(realPath));
  if (taken.includes(target))
    throw new UserError(`--log ${path} is a file of this run; give the log a name of its own`);
  const asked = isFile ? tryWriting(target) : Promise.resolve();
  await asked.catch(async (error: unknown) => {
    throw await outputFault(`--log ${path}`, path, error);
  });
  let stream: WriteStream | undefined;
  let fault: unknown;
  return {
    write: (entry) => {
      stream ??= createWriteStream(target, { flags: append ? "a" : "w" }).on("error", (error) => {
        fault = error;
      });
      if (fault === undefined) jsonLine(stream, entry);
    },
    close: async () => {
      await new Promise<void>((resolve) => (stream === undefined ? resolve() : stream.end(() => resolve())));
      if (fault !== undefined) throw fileFault(`--log ${path}`, fault);
    },
  };
}

/** One name for one file, also where it is not there yet. */
const realPath = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));

/** The first line of a run. */
export function logHead(
  file: string,
  { network }: TrainingSetup,
  device: string,
  { batch, time, steps, seed, lr: learningRate }: TrainCommandOptions,
  before: number,
): object {
  const run = { file, ...network.config, batch, time, seed, learningRate, device, first: before + 1, steps };
  return { run, time: new Date().toISOString() };
}

/** Writes what is known of steps and measurements. */
export function logNote(log: TrainingLog | undefined): (entry: StepReport | Measurement) => void {
  const started = performance.now();
  return (entry) => log?.write({ ...entry, seconds: Math.round(performance.now() - started) / 1000 });
}
