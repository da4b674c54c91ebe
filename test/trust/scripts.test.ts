/** @file Invalid options of npm scripts: one error line, exit code 2, and nothing is started. */
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { parseCpuOptions } from "../../bench/cpu/options.ts";
import { parseOptions } from "../../bench/options.ts";
import { root } from "../docs/pages.ts";
import { someOf } from "../support/some-of.ts";
import { patternOf, rowsSaid } from "./fault-table.ts";

const rows: readonly (readonly [script: string, args: string, line: string])[] = [
  ["scripts/soak.mjs", "--stepz 3", "soak: unknown option '--stepz' (Did you mean --steps?)"],
  ["scripts/soak.mjs", "--steps", "soak: option '--steps <n>' argument missing"],
  ["scripts/soak.mjs", "--steps -1", "soak: option '--steps <n>' argument '-1' is invalid. It must be a whole number."],
  [
    "scripts/soak.mjs",
    "--cycles 1.5",
    "soak: option '--cycles <n>' argument '1.5' is invalid. It must be a whole number.",
  ],
  [
    "scripts/soak.mjs",
    "--device tpu",
    "soak: option '--device <device>' argument 'tpu' is invalid. Allowed choices are auto, gpu, cpu, software.",
  ],
  ["scripts/soak.mjs", "20000", "soak: too many arguments. Expected 0 arguments but got 1."],
  ["scripts/fuzz.mjs", "--minute 3", "fuzz: unknown option '--minute' (Did you mean --minutes?)"],
  [
    "scripts/fuzz.mjs",
    "--minutes 0",
    "fuzz: option '--minutes <n>' argument '0' is invalid. It must be a number above 0.",
  ],
  ["scripts/fuzz.mjs", "60", "fuzz: too many arguments. Expected 0 arguments but got 1."],
  [
    "scripts/ulp.mjs",
    "--stride 0",
    "ulp: option '--stride <n>' argument '0' is invalid. It must be a whole number from 1 on, below 2^32.",
  ],
  ["scripts/ulp.mjs", "--only sinh", "ulp: unknown function sinh; the functions are exp, log, …"],
  [
    "scripts/mutants.mjs",
    "--from 0",
    "mutants: option '--from <n>' argument '0' is invalid. It must be a whole number above 0.",
  ],
  [
    "scripts/mutants.mjs",
    "--only no-such-thing",
    "mutants: no mutant's file or name contains no-such-thing; --list prints them all",
  ],
  [
    "scripts/firefox.mjs",
    "--only safari",
    "firefox: option '--only <browser>' argument 'safari' is invalid. Allowed choices are firefox, chromium.",
  ],
  ["scripts/lavapipe.mjs", "--cellz 3", "lavapipe: unknown option '--cellz' (Did you mean --cells?)"],
  ["scripts/test-jax.mjs", "--onyl lstm", "test:jax: unknown option '--onyl' (Did you mean --only?)"],
  ["scripts/test-tensorboard.mjs", "--pyton x", "test:tensorboard: unknown option '--pyton' (Did you mean --python?)"],
  ["scripts/firefox.mjs", "--firefox no/such/file", "firefox: no such file: no/such/file"],
  ["scripts/docs.mjs", "--out folder", "docs: unknown option '--out' (Did you mean --port?)"],
  ["scripts/docs.mjs", "one two", "docs: too many arguments. Expected 1 argument but got 2."],
  [
    "scripts/docs.mjs",
    "--port 0",
    "docs: option '--port <n>' argument '0' is invalid. It must be a whole number from 1 to 65535.",
  ],
  ["scripts/tasks.mjs", "--stepz 3", "cellgrad: unknown option '--stepz' (Did you mean --steps?); see --help"],
  ["scripts/tasks.mjs", "adding", "cellgrad: too many arguments for 'task'. Expected 1 argument but got 2; see --help"],
  [
    "bench/gpu/gpu.mjs",
    "--cells lstm",
    "bench:gpu: --cells is an option for the machine with the GPU; here, use --smoke with options of run.mjs",
  ],
];

const benchRows: readonly (readonly [args: string, line: string])[] = [
  ["--foo", "Unknown option '--foo'"],
  ["lstm", "Unexpected argument 'lstm'…"],
  ["--rounds", "Option '--rounds <value>' argument missing"],
  ["--rounds 0", "--rounds must be a whole number above 0"],
  ["--rounds many", "--rounds must be a whole number above 0"],
  ["--only tanh", "--only tanh is unknown; use …"],
];

const benchCpuRows: typeof benchRows = [
  ["--foo", "Unknown option '--foo'"],
  ["lstm-t32", "Unexpected argument 'lstm-t32'…"],
  ["--python", "Option '--python <value>' argument missing"],
  ["--rounds 0.5", "--rounds must be a whole number above 0"],
  ["--only lstm", "--only lstm is unknown; use lstm-t32, …"],
];

// One line of each script: each starts a process.
someOf(
  rows,
  ([script], i) => rows[i - 1]?.[0] !== script,
  ([script]) => /mutants/.test(script),
)("%s %s", async (script, args, line) => {
  const before = readdirSync(root).sort();
  const outcome = await new Promise((resolve) => {
    execFile(process.execPath, [script, ...args.split(" ")], { cwd: root }, (error, stdout, stderr) =>
      resolve({ code: error?.code, stdout, stderr }),
    );
  });
  expect(outcome).toEqual({ code: 2, stdout: "", stderr: expect.stringMatching(patternOf(line)) });
  expect(readdirSync(root).sort()).toEqual(before);
});

function said(parse: () => unknown): string {
  try {
    return `options: ${JSON.stringify(parse())}`;
  } catch (error) {
    return (error as Error).message;
  }
}

test.each(benchRows)("npm run bench -- %s", (args, line) => {
  expect(said(() => parseOptions(args.split(" ")))).toMatch(patternOf(line));
});

test.each(benchCpuRows)("npm run bench:cpu -- %s", (args, line) => {
  expect(said(() => parseCpuOptions(args.split(" ")))).toMatch(patternOf(line));
});

test("docs/trust.md says how many rows there are", () => {
  expect(rowsSaid("trust/scripts.test.ts")).toBe(rows.length + benchRows.length + benchCpuRows.length);
});
