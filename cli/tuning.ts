/** @file Tunings on the command line: searches for one, reads one from a model, describes it in a line. */
import { UserError } from "../compiler/graph/errors.ts";
import type { Tuning } from "../compiler/plan/tuning.ts";
import type { Device } from "../devices/device.ts";
import { readBytes } from "../disk/data-files.ts";
import { decodeModel } from "../train/files/model-file.ts";
import type { Tuned } from "../train/files/tuned.ts";
import type { UpdateOptions } from "../train/optimizers/update.ts";
import { type TuneResult, tune } from "../train/tune.ts";
import { watchInterrupt } from "./interrupt.ts";
import { showBar } from "./progress.ts";
import { line, type Streams } from "./streams.ts";
import type { TrainingSetup } from "./training-setup.ts";

const MOST_SECONDS = 60;

export interface FoundTuning {
  readonly tuned: Tuned;
  /** One line about the result, for people. */
  readonly text: string;
}

/** Searches for the fastest tuning of a training step, with a bar on a terminal. */
export async function searchTuning(
  { network, batches }: TrainingSetup,
  device: Device,
  update: UpdateOptions,
  { stderr }: Streams,
): Promise<FoundTuning | "interrupted"> {
  const { value: batch } = await batches.training.from(0)[Symbol.asyncIterator]().next();
  if (batch === undefined) throw new UserError("--tune: the data has no batch to run; use a longer file");
  const interrupt = watchInterrupt();
  const started = performance.now();
  let bar: ReturnType<typeof showBar> | undefined;
  try {
    const { measurements, ...tuned } = await tune(device, network, {
      ...{ ...update, batch, seconds: MOST_SECONDS, signal: interrupt.signal },
      onProgress: ({ total }) => {
        bar ??= showBar(stderr, total, `tile sizes tried, for at most ${MOST_SECONDS} s`);
        bar.done();
      },
    });
    return { tuned, text: searchLine(tuned, measurements, (performance.now() - started) / 1000) };
  } catch (error) {
    if (interrupt.requested) return "interrupted";
    throw error;
  } finally {
    bar?.stop();
    interrupt.dispose();
  }
}

function searchLine({ tuning, speedup }: Tuned, measurements: TuneResult["measurements"], seconds: number): string {
  const tried = measurements.filter(({ outcome }) => outcome !== "the same program").length;
  const work = `${tried} other programs tried in ${seconds.toFixed(0)} s`;
  if (Object.keys(tuning).length === 0) return `tuning: nothing was faster than the default (${work})`;
  return `tuning: ${fieldsOf(tuning)}: ${speedup.toFixed(2)} times as fast as the default (${work})`;
}

/** Reads the tuning saved in a model of any kind. */
export async function readTuned(path: string): Promise<Tuned> {
  const { tuned } = decodeModel(await readBytes(path), path);
  if (tuned === undefined) throw new UserError(`--tuning ${path}: this model has no tuning; train one with --tune`);
  return tuned;
}

export function tuningLine({ tuning, adapter, batch, time, speedup }: Tuned): string {
  const isDefault = Object.keys(tuning).length === 0;
  const found = `found on ${adapter} at batch ${batch}, time ${time}`;
  return isDefault
    ? `tuning: the default, which was the fastest (${found})`
    : `tuning: ${fieldsOf(tuning)} (${found}: ${speedup.toFixed(2)} times as fast as the default)`;
}

/** Prints a note if the tuning was found on another adapter. The interpreter uses no tuning. */
export function warnIfOtherAdapter(tuned: Tuned | undefined, device: Device, { stderr }: Streams): void {
  if (tuned === undefined || device.kind === "interpreter" || tuned.adapter === device.name) return;
  line(
    stderr,
    `note: the tuning was found on ${tuned.adapter} and this is ${device.name}: results are still correct, but another tuning may be faster`,
  );
}

/** The fields in words, such as "tileRows 16, termsPerTurn 4". */
function fieldsOf(tuning: Tuning): string {
  return Object.entries(tuning)
    .map(([field, value]) => `${field} ${value}`)
    .join(", ");
}
