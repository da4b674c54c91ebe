/** @file `main`: runs one command line and returns its exit code. It never throws and never ends the process. */
import { readFile } from "node:fs/promises";
import { CommanderError } from "commander";
import { ExitCode, errorReport } from "./errors.ts";
import { createProgram } from "./program.ts";
import { line, type Streams } from "./streams.ts";

/** `argv` without the interpreter and the script. */
export async function main(argv: readonly string[], streams: Streams = process): Promise<number> {
  let exitCode: number = ExitCode.ok;
  const finish = (code: number) => {
    exitCode = code;
  };
  try {
    const program = createProgram({ streams, version: await packageVersion(), finish });
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    // commander ends --help and --version by throwing.
    if (error instanceof CommanderError && error.exitCode === 0) return ExitCode.ok;
    const report = errorReport(error);
    line(streams.stderr, `cellgrad: ${shortened(report.line)}`);
    if (process.env.CELLGRAD_DEBUG && error instanceof Error) line(streams.stderr, error.stack);
    return report.exitCode;
  }
}

/** Messages can quote user input of any length; what is wrong is at the beginning or the end. */
function shortened(text: string): string {
  return text.length <= 2000 ? text : `${text.slice(0, 1000)} … ${text.slice(-500)}`;
}

async function packageVersion(): Promise<string> {
  // The compiled files are one folder deeper than the source.
  const depth = import.meta.url.endsWith(".ts") ? ".." : "../..";
  const text = await readFile(new URL(`${depth}/package.json`, import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
