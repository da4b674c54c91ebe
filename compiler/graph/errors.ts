/**
 * @file Two kinds of error. A `UserError` is something the caller can fix: its message is one line that says what is
 * wrong, where, and what to do. An `InternalError` is a bug in cellgrad, and its message starts with `internal:`.
 */

/** An error that the caller can fix. The message is one line that says what is wrong, where, and what to do. */
export class UserError extends Error {
  /** The name by which it is told from other errors. */
  override readonly name: string = "UserError";
}

/** Something needs more than a device has. */
export class LimitError extends UserError {}

/** A bug in cellgrad: the message starts with `internal:`. */
export class InternalError extends Error {
  /** The name by which it is told from other errors. */
  override readonly name: string = "InternalError";
  /** `message` says what should not have happened, without `internal:`. */
  constructor(message: string) {
    super(`internal: ${message}`);
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A few words, on one line, about a value that is not what was expected. */
export function inWords(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Promise) return "a promise";
  if (ArrayBuffer.isView(value))
    return `${/^[AEIOU]/.test(value.constructor.name) ? "an" : "a"} ${value.constructor.name}`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** Throws unless an argument `fits`: `what` names it, `words` say what it must be. */
export function expectArgument(fits: boolean, what: string, value: unknown, words: string): void {
  if (!fits) throw new UserError(`${what} is ${inWords(value)}; expected ${words}`);
}

/** Reads an array at an index that must exist. */
export function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new InternalError(`index ${index} of ${items.length} items`);
  return item;
}

/** The output of other programs on one line. */
export function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, " ");
}
