/** @file Faults of the user's code, named by the op that found them and the user's line that called it. */
import { UserError } from "../graph/errors.ts";
import { type Kinds, optionsFault } from "../graph/options.ts";
import { callSite } from "./site.ts";

/** A fault that has its op and its line; what it passes through on its way out adds nothing. */
class PlacedError extends UserError {}

/** The error `op at file:line: message`. */
export function faultOf(op: string, message: string): UserError {
  const site = callSite();
  return new PlacedError(`${op}${site === undefined ? "" : ` at ${site}`}: ${message}`);
}

/** Runs the checks of an op: a fault that they find gets the op's name and the user's line. */
export function checking<T>(op: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof UserError) || error instanceof PlacedError) throw error;
    throw faultOf(op, error.message);
  }
}

/** As `checkedOptions`, of a function that is called while a graph is traced: the line that called it is named. */
export function opOptions<O extends object>(op: string, options: O, kinds: Kinds<O>): O {
  const fault = optionsFault(options, kinds);
  if (fault !== undefined) throw faultOf(op, fault);
  return options;
}
