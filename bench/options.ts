/** @file Options of `npm run bench`. */
import { parseArgs } from "node:util";
import { type CellName, cellNames } from "./measure/workload.ts";

const times = [32, 100] as const;
const parts = ["steady", "cold", "node"] as const;
const inits = ["no-init", "init"] as const;

export interface BenchOptions {
  readonly cells: readonly CellName[];
  readonly times: readonly number[];
  readonly parts: readonly (typeof parts)[number][];
  /** "no-init": with disable_workgroup_init. */
  readonly inits: readonly (typeof inits)[number][];
  readonly rounds: number;
  readonly partial: boolean;
  /** Name of the result files, without extension. */
  readonly out: string | undefined;
}

export const usage = `npm run bench -- [options]
  --quick          two measured rounds
  --rounds N       measured rounds (default 7)
  --only A,B,…     only these: cells ${cellNames.join(" ")}; lengths ${times.map((t) => `t${t}`).join(" ")}; parts ${parts.join(" ")};
                   Dawn's flag ${inits.join(" ")} ("no-init" sets disable_workgroup_init)
  --out NAME       name of the files in bench/results (default: web-DATE)
  --help`;

export class UsageError extends Error {}

/** Returns undefined for --help. */
export function parseOptions(args: readonly string[]): BenchOptions | undefined {
  const values = parsed(args);
  if (values.help) return undefined;
  const wanted = new Set(values.only.split(",").filter((word) => word !== ""));
  const known: readonly string[] = [...cellNames, ...times.map((t) => `t${t}`), ...parts, ...inits];
  for (const word of wanted) {
    if (!known.includes(word)) throw new UsageError(`--only ${word} is unknown; use ${known.join(", ")}`);
  }
  const chosen = <T>(all: readonly T[], word: (one: T) => string): readonly T[] => {
    const found = all.filter((one) => wanted.has(word(one)));
    return found.length === 0 ? all : found;
  };
  const rounds = Number(values.rounds ?? (values.quick ? 2 : 7));
  if (!Number.isInteger(rounds) || rounds < 1) throw new UsageError("--rounds must be a whole number above 0");
  return {
    cells: chosen(cellNames, (name) => name),
    times: chosen(times, (time) => `t${time}`),
    parts: chosen(parts, (name) => name),
    inits: chosen(inits, (name) => name),
    rounds,
    partial: values.quick || wanted.size > 0,
    out: values.out,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: "boolean", default: false },
        rounds: { type: "string" },
        only: { type: "string", default: "" },
        out: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
