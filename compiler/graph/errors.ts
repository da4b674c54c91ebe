/**
 * @file Two kinds of fault. A `UserError` is something the person who calls can mend: its message is one line that
 * says what, where and what to do. An `InternalError` is ours, and its message starts with `internal:`.
 */

/** A fault of the caller. The message is one line that says what, where, and what to do. */
export class UserError extends Error {
  /** The name by which it is told from other errors. */
  override readonly name: string = "UserError";
}

/** A fault of cellgrad itself: its message starts with `internal:`. */
export class InternalError extends Error {
  /** The name by which it is told from other errors. */
  override readonly name: string = "InternalError";
  /** `message` is what should not have happened, without `internal:`. */
  constructor(message: string) {
    super(`internal: ${message}`);
  }
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What stands where something else was expected, in a few words of one line. */
export function inWords(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Promise) return "a promise";
  if (ArrayBuffer.isView(value))
    return `${/^[AEIOU]/.test(value.constructor.name) ? "an" : "a"} ${value.constructor.name}`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** Refuses what stands in the place of an argument: `what` names it, `words` say what it must be. */
export function expectArgument(fits: boolean, what: string, value: unknown, words: string): void {
  if (!fits) throw new UserError(`${what} is ${inWords(value)}; expected ${words}`);
}

/** Reads an array at an index that the code's own invariants guarantee. */
export function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new InternalError(`index ${index} of ${items.length} items`);
  return item;
}

/** Text of other programs on one line. */
export function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, " ");
}
