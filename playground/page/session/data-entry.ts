/** @file Which entry of the data list is chosen, and the text that was typed and is not in use yet. */
import type { DataChoice } from "./workspace.ts";

/** Entry of the list for data of the visitor's own. */
export const own = "own";
export const documentation = "documentation";

export class DataEntry {
  #asked = false;
  #typed: string | undefined;

  /** The visitor chose data of their own and has not given any yet: until then other data are still in use. */
  askForOwn(): void {
    this.#asked = true;
  }

  /** Text to learn from, not in use yet; undefined or blank if there is none. */
  type(text: string | undefined): void {
    this.#typed = text?.trim() === "" ? undefined : text;
  }

  /** Other data are in use: what was asked for or typed before them is over. */
  replaced(): void {
    this.#asked = false;
    this.#typed = undefined;
  }

  /** The typed text, once. */
  take(): string | undefined {
    const typed = this.#typed;
    this.#typed = undefined;
    return typed;
  }

  /** Value of the entry to show while `data` are in use. */
  chosen(data: DataChoice): string {
    if (this.#asked) return own;
    return data.kind === "task" ? data.name : data.kind === "documentation" ? documentation : own;
  }
}
