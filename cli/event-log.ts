/**
 * @file The training log for TensorBoard: `--log tensorboard` writes an event file into a folder of its own in runs/, and
 * `--log tensorboard:FOLDER` into that folder, where a resumed run adds a file to the curves.
 */
import { mkdir } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { UserError } from "../compiler/graph/errors.ts";
import { tryWriting } from "../disk/atomic-write.ts";
import { fileFault } from "../disk/file-faults.ts";
import { type TensorboardWriter, tensorboardFileName, tensorboardWriter } from "../train/logs/tensorboard.ts";
import { fileWord, quoted } from "./invocation.ts";
import { openedLate, type TrainingLog } from "./training-log.ts";

/** The folder of runs whose folder is not named. */
const runs = "runs";

/** Curves of the fields of steps and measurements. */
const curves: Readonly<Record<string, string>> = {
  loss: "loss/training",
  valLoss: "loss/held-out",
  gradientNorm: "gradient norm",
  tokensPerSecond: "tokens per second",
};

/** The folder for an event file that `--log` asks for, of a run on this data; undefined if it names a file. */
export function eventFolder(log: string, data: string): string | undefined {
  const [kind, ...rest] = log.split(":");
  if (kind !== "tensorboard") return undefined;
  const folder = rest.join(":");
  if (log !== kind && folder === "")
    throw new UserError("--log tensorboard: names no folder; give one after the colon, or no colon");
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "");
  return folder === "" ? join(runs, `${basename(data, extname(data))}-${time}`) : folder;
}

/** Logs of this process, of which two can begin in one second. */
let opened = 0;

/** Opens a log for TensorBoard. Throws a UserError at once if no file can be written in the folder. */
export async function openEventLog(folder: string): Promise<TrainingLog> {
  const name = `--log tensorboard:${folder}`;
  const path = join(folder, `${tensorboardFileName()}.${process.pid}.${opened++}`);
  try {
    await mkdir(folder, { recursive: true });
    await tryWriting(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST")
      throw new UserError(`${name} is a file; give the name of a folder`, { cause: error });
    throw fileFault(name, error);
  }
  const { stream, close } = openedLate(name, path, "wx");
  let writer: TensorboardWriter | undefined;
  return {
    hint: `log: ${path}; see it with: tensorboard --logdir ${quoted(fileWord(dirname(folder) === runs ? runs : folder))}`,
    write: (entry) => {
      writer ??= tensorboardWriter((bytes) => stream().write(bytes));
      writeEntry(writer, entry as Readonly<Record<string, unknown>>);
    },
    close: async () => {
      await writer?.close();
      await close();
    },
  };
}

/** A step or a measurement is a point of each curve; the start and the end of a run are tables. */
function writeEntry(writer: TensorboardWriter, entry: Readonly<Record<string, unknown>>): void {
  const { step, run, steps } = entry;
  if (typeof step === "number") {
    const points = Object.entries(curves).flatMap(([field, curve]) => {
      const value = entry[field];
      return typeof value === "number" ? [[curve, value] as const] : [];
    });
    // Of a population, by the number of the model; one that has ended has no loss.
    const models = Array.isArray(entry.losses) ? entry.losses : [];
    const ofModels = models.flatMap((loss, model) =>
      typeof loss === "number" ? [[`loss/model ${model}`, loss] as const] : [],
    );
    writer.scalars(step, Object.fromEntries([...points, ...ofModels]));
  } else if (typeof run === "object" && run !== null) writer.text(0, "run", tableOf(run));
  else writer.text(typeof steps === "number" ? steps : 0, "result", tableOf(entry));
}

/** Fields and values as a table in Markdown. */
function tableOf(record: object): string {
  const rows = Object.entries(record).map(([field, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return `| ${field} | ${String(text).replaceAll("|", "\\|").replace(/\s+/g, " ")} |`;
  });
  return ["| field | value |", "| --- | --- |", ...rows].join("\n");
}
