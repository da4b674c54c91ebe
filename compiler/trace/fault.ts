/** @file Errors in the user's code, with the op that found them and the line of the user that called it. */
import { UserError } from "../graph/errors.ts";
import { type Kinds, optionsFault } from "../graph/options.ts";
import { callSite } from "./site.ts";

/** An error that already has its op and line; outer checks do not add theirs. */
class PlacedError extends UserError {}

/** The error `op at file:line: message`. */
export function faultOf(op: string, message: string): UserError {
  const site = callSite();
  return new PlacedError(`${op}${site === undefined ? "" : ` at ${site}`}: ${message}`);
}

/** Runs the checks of an op: an error gets the op's name and the user's line. */
export function checking<T>(op: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof UserError) || error instanceof PlacedError) throw error;
    throw faultOf(op, error.message);
  }
}

/** Like `checkedOptions`, for a function that is called while tracing: the error names the line that called it. */
export function opOptions<O extends object>(op: string, options: O, kinds: Kinds<O>): O {
  const fault = optionsFault(options, kinds);
  if (fault !== undefined) throw faultOf(op, fault);
  return options;
}
