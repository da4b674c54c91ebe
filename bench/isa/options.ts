/** @file Options of `npm run bench:isa`. */
import { parseArgs } from "node:util";
import { type ScanScheduleName, scanScheduleNames } from "../../compiler/plan/scan/names.ts";
import type { Precision } from "../../devices/device.ts";
import { UsageError } from "../options.ts";
import { allBatches, allUnits, cellNames, type IsaCell, otherCells, steps } from "./cells.ts";

const precisions: readonly Precision[] = ["f32", "mixed"];

export interface IsaOptions {
  readonly cells: readonly IsaCell[];
  readonly units: readonly number[];
  readonly batches: readonly number[];
  readonly precision: Precision;
  /** Steps of the sequence. */
  readonly time: number;
  /** Schedules to compare over the whole sequence; undefined: those that the compiler chooses, by the step. */
  readonly schedules: readonly (ScanScheduleName | "auto")[] | undefined;
  readonly json: boolean;
  /** Start of the result files' names; undefined: none are written. */
  readonly save: string | undefined;
  /** A file of an earlier run, to compare with. */
  readonly against: string | undefined;
}

export const usage = `npm run bench:isa -- [options]
  What AMD's compiler makes of the kernels of a training step, with no GPU: registers, instructions of a step, and the
  cycles of a model. It is a model of one vendor's chip, not a measurement.
  --cell A,B,…     only these cells: ${cellNames.join(" ")}; or ${otherCells.join(" ")}
  --units A,B,…    hidden units (default ${allUnits.join(",")})
  --batch A,B,…    rows of the batch (default ${allBatches.join(",")})
  --precision NAME f32 (default), or mixed: what is stored in f16, and weights that share registers
  --time N         steps of the sequence (default ${steps})
  --schedule A,B,… compares schedules over the whole sequence: cycles and barriers from its first step to its last
                   (${["auto", ...scanScheduleNames].join(" ")})
  --json           prints one JSON object for each kernel, and no table
  --against FILE   shows an earlier run beside this one: FILE is one that --save wrote, or the output of --json
  --save           writes bench/results/isa-DATE.md and .jsonl
  --out NAME       the same under another name
  --help`;

/** undefined: help was asked for. */
export function parseIsaOptions(args: readonly string[], today: string): IsaOptions | undefined {
  const values = parsed(args);
  if (values.help) return undefined;
  const words = (text: string | undefined) => text?.split(",").filter((word) => word !== "");
  const numbers = (option: string, text: string | undefined, all: readonly number[]) => {
    const given = words(text);
    if (given === undefined) return all;
    if (given.length === 0) throw new UsageError(`--${option} must be made of whole numbers above 0, got nothing`);
    return given.map((word) => {
      const value = Number(word);
      if (!Number.isInteger(value) || value < 1)
        throw new UsageError(`--${option} must be made of whole numbers above 0, got ${word}`);
      return value;
    });
  };
  const cells: readonly string[] = words(values.cell) ?? cellNames;
  const known: readonly IsaCell[] = [...cellNames, ...otherCells];
  if (cells.length === 0) throw new UsageError(`--cell needs a name; it takes ${known.join(", ")}`);
  for (const cell of cells)
    if (!known.some((name) => name === cell))
      throw new UsageError(`--cell ${cell} is unknown; it takes ${known.join(", ")}`);
  const schedules = words(values.schedule)?.map((word) => {
    const all = ["auto", ...scanScheduleNames] as const;
    const schedule = all.find((name) => name === word);
    if (schedule === undefined) throw new UsageError(`--schedule ${word} is unknown; it takes ${all.join(", ")}`);
    return schedule;
  });
  const [time = steps, ...more] = numbers("time", values.time, [steps]);
  if (more.length > 0) throw new UsageError(`--time takes one number, got ${values.time}`);
  const precision = precisions.find((name) => name === values.precision);
  if (precision === undefined)
    throw new UsageError(`--precision ${values.precision} is unknown; it takes ${precisions.join(", ")}`);
  return {
    precision,
    ...{ time, schedules },
    cells: known.filter((name) => cells.includes(name)),
    units: numbers("units", values.units, allUnits),
    batches: numbers("batch", values.batch, allBatches),
    json: values.json,
    save: values.out ?? (values.save ? `isa-${today}` : undefined),
    against: values.against,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        cell: { type: "string" },
        units: { type: "string" },
        batch: { type: "string" },
        time: { type: "string" },
        schedule: { type: "string" },
        precision: { type: "string", default: "f32" },
        json: { type: "boolean", default: false },
        save: { type: "boolean", default: false },
        out: { type: "string" },
        against: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
