/**
 * @file The shelf of what visitors have made in this browser: some pieces of work, the latest first. Plain data, since
 * several pages may put something there, and each must leave alone what the others put.
 */
import { asRecord, checkedWork } from "./stored-work.ts";
import type { Work } from "./workspace.ts";

export interface Kept {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly saved: number;
  readonly work: Work;
  /** The link that it came by, or was shared as last. */
  readonly link?: string;
  /** It came by a link, and the visitor has not agreed that it runs. */
  readonly held?: true;
}

export type Shelf = readonly Kept[];

export const mostKept = 8;

/** The shelf with a piece in front, in place of what it was before. The oldest goes where there are too many. */
export function put(shelf: Shelf, kept: Kept): Shelf {
  return [kept, ...shelf.filter(({ id }) => id !== kept.id)].slice(0, mostKept);
}

/** What was put aside for this link, with the changes made since. */
export function ofLink(shelf: Shelf, hash: string): Kept | undefined {
  return shelf.find(({ link }) => link === hash);
}

/** What is on the shelf; a piece that cannot be read is left out, so that it does no harm to the others. */
export function readShelf(text: string | null): Shelf {
  const read = (value: unknown): Shelf => {
    try {
      const { id, saved, work, link, held } = asRecord(value);
      if (typeof id !== "string" || typeof saved !== "number") return [];
      const kept = { id, saved, work: checkedWork(work, "visit").work };
      return [{ ...kept, ...(typeof link === "string" && { link }), ...(held === true && { held }) }];
    } catch {
      return [];
    }
  };
  try {
    const value: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(value) ? value.flatMap(read).slice(0, mostKept) : [];
  } catch {
    return [];
  }
}
