/** @file Options of `npm run bench:cpu`. */
import { parseArgs } from "node:util";
import { UsageError } from "../options.ts";
import { cases } from "./cases.ts";

export const groups = ["cellgrad-cpu", "cellgrad-software", "jax-js", "tfjs", "pytorch", "jax", "peak"] as const;
export type Group = (typeof groups)[number];

export interface CpuOptions {
  readonly cases: readonly string[];
  readonly groups: readonly Group[];
  readonly rounds: number;
  /** Python interpreters to search for PyTorch and JAX. */
  readonly pythons: readonly string[];
  readonly saves: boolean;
  /** Name of the result files, without extension. */
  readonly out: string | undefined;
}

export const usage = `npm run bench:cpu -- [options]
  --quick            two rounds
  --rounds N         measured rounds (default 7); each contender has one turn per round
  --only A,B,…       only these: shapes ${cases.map(({ name }) => name).join(" ")};
                     contenders ${groups.join(" ")}
  --python A,B,…     Python interpreters to search for PyTorch and JAX (default python3,/usr/bin/python3);
                     each one with PyTorch takes part
  --save             writes bench/results/cpu-DATE.md and .json
  --out NAME         writes them under another name
  --help`;

/** Returns undefined for --help. */
export function parseCpuOptions(args: readonly string[]): CpuOptions | undefined {
  const values = parsed(args);
  if (values.help) return undefined;
  const words = (text: string) => text.split(",").filter((word) => word !== "");
  const wanted = new Set(words(values.only));
  const names = cases.map(({ name }) => name);
  const known: readonly string[] = [...names, ...groups];
  for (const word of wanted)
    if (!known.includes(word)) throw new UsageError(`--only ${word} is unknown; use ${known.join(", ")}`);
  const chosen = <T extends string>(all: readonly T[]): readonly T[] => {
    const found = all.filter((one) => wanted.has(one));
    return found.length === 0 ? all : found;
  };
  const rounds = Number(values.rounds ?? (values.quick ? 2 : 7));
  if (!Number.isInteger(rounds) || rounds < 1) throw new UsageError("--rounds must be a whole number above 0");
  const pythons = words(values.python);
  return {
    cases: chosen(names),
    groups: chosen(groups),
    rounds,
    pythons,
    saves: values.save || values.out !== undefined,
    out: values.out,
  };
}

/** The command line without --python, whose paths depend on the machine. */
export function commandOf(args: readonly string[]): string {
  const shown = args.filter((word, i) => !/^--python(=|$)/.test(word) && args[i - 1] !== "--python");
  return ["npm run bench:cpu", ...(shown.length > 0 ? ["--", ...shown] : [])].join(" ");
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: "boolean", default: false },
        rounds: { type: "string" },
        only: { type: "string", default: "" },
        python: { type: "string", default: "python3,/usr/bin/python3" },
        save: { type: "boolean", default: false },
        out: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
