/**
 * @file What the person at the terminal reads when something fails: one line that says what, where and what to do. A
 * stack trace is shown only where the variable CELLGRAD_DEBUG asks for it.
 */
import { CommanderError } from "commander";
import { InternalError, inWords, oneLine, UserError } from "../compiler/graph/errors.ts";
import { placeInUserCode, plainMessage } from "../disk/user-code.ts";
import { DeviceLostError, DeviceTimeoutError, DeviceUnavailableError } from "../runtime/device-errors.ts";

/** 0: all is well. 1: `check` found a wrong gradient. 2: bad input. 70: a fault of cellgrad's own. 130: interrupted. */
export const ExitCode = { ok: 0, wrong: 1, badInput: 2, internal: 70, interrupted: 130 } as const;

export interface Complaint {
  readonly line: string;
  readonly exitCode: number;
}

/** The one line and the exit code for whatever was thrown. */
export function complaintOf(error: unknown): Complaint {
  if (error instanceof CommanderError) return { line: commanderLine(error), exitCode: ExitCode.badInput };
  // Nothing of ours throws what is no Error.
  if (!(error instanceof Error)) {
    const line = `the code of a cell or module throws ${inWords(error)}; throw an Error instead, which tells the place`;
    return { line, exitCode: ExitCode.badInput };
  }
  const place = placeInUserCode(error);
  const isTheirs = [UserError, DeviceUnavailableError, DeviceLostError, DeviceTimeoutError].some(
    (kind) => error instanceof kind,
  );
  if (isTheirs) {
    return { line: withPlace(oneLine(error.message), place), exitCode: ExitCode.badInput };
  }
  const message = oneLine(plainMessage(error));
  // Code that is not ours was running: what it threw, or made us throw, is for its author.
  if (place !== undefined && !(error instanceof InternalError)) {
    return { line: `${place}: ${message}`, exitCode: ExitCode.badInput };
  }
  // Engines say so of arrays for which there is no room.
  if (error instanceof RangeError && /array length|allocation failed|array buffer/i.test(error.message)) {
    const line = `there is no memory for this (${message}): lower --batch, --time or --units`;
    return { line, exitCode: ExitCode.badInput };
  }
  const line = `${withPlace(message, place)} (a fault of cellgrad itself; CELLGRAD_DEBUG=1 shows the stack)`;
  return { line, exitCode: ExitCode.internal };
}

/** "error: unknown option '--step'\n(Did you mean --steps?)" on one line, with the way to the help. */
function commanderLine({ message }: CommanderError): string {
  const text = oneLine(message.replace(/^error: /, ""));
  return `${text.replace(/\.$/, "")}; --help lists what there is`;
}

function withPlace(message: string, place: string | undefined): string {
  return place === undefined || message.includes(place) ? message : `${message} (at ${place})`;
}
