/**
 * @file Error reports on the terminal: one line that says what failed, where, and what to do; for equations also their line. The stack trace is printed
 * only if the environment variable CELLGRAD_DEBUG is set.
 */
import { CommanderError } from "commander";
import { InternalError, inWords, oneLine, UserError } from "../compiler/graph/errors.ts";
import { placeInUserCode, plainMessage } from "../disk/user-code.ts";
import { EquationError } from "../interchange/equations/fault.ts";
import { DeviceLostError, DeviceTimeoutError, DeviceUnavailableError } from "../runtime/device-errors.ts";

/** 0: success. 1: `check` found a wrong gradient. 2: bad input. 70: a bug in cellgrad. 130: interrupted. */
export const ExitCode = { ok: 0, wrong: 1, badInput: 2, internal: 70, interrupted: 130 } as const;

export interface ErrorReport {
  readonly line: string;
  readonly exitCode: number;
}

/** The error line and exit code for any thrown value. */
export function errorReport(error: unknown): ErrorReport {
  if (error instanceof CommanderError) return { line: commanderLine(error), exitCode: ExitCode.badInput };
  // Our own code throws only Errors.
  if (!(error instanceof Error)) {
    const line = `the code of a cell or module throws ${inWords(error)}; throw an Error instead, which records where it was thrown`;
    return { line, exitCode: ExitCode.badInput };
  }
  // The line of the file, with a caret below the character, is part of the message.
  if (error instanceof EquationError) return { line: error.message, exitCode: ExitCode.badInput };
  const place = placeInUserCode(error);
  const isTheirs = [UserError, DeviceUnavailableError, DeviceLostError, DeviceTimeoutError].some(
    (kind) => error instanceof kind,
  );
  if (isTheirs) {
    return { line: withPlace(oneLine(error.message), place), exitCode: ExitCode.badInput };
  }
  const message = oneLine(plainMessage(error));
  // User code was running: the error is its author's to fix.
  if (place !== undefined && !(error instanceof InternalError)) {
    return { line: `${place}: ${message}`, exitCode: ExitCode.badInput };
  }
  // JavaScript engines throw these when an array does not fit in memory.
  if (error instanceof RangeError && /array length|allocation failed|array buffer/i.test(error.message)) {
    const line = `out of memory (${message}): lower --batch, --time or --units`;
    return { line, exitCode: ExitCode.badInput };
  }
  const line = `${withPlace(message, place)} (a bug in cellgrad; CELLGRAD_DEBUG=1 shows the stack)`;
  return { line, exitCode: ExitCode.internal };
}

/** "error: unknown option '--step'\n(Did you mean --steps?)" on one line, pointing to --help. */
function commanderLine({ message }: CommanderError): string {
  const text = oneLine(message.replace(/^error: /, ""));
  return `${text.replace(/\.$/, "")}; see --help`;
}

function withPlace(message: string, place: string | undefined): string {
  return place === undefined || message.includes(place) ? message : `${message} (at ${place})`;
}
