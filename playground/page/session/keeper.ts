/**
 * @file Keeps the visitor's work and runs in the browser as they change, and gives them back on the next visit. Where a
 * browser keeps nothing for pages, or has no room, it says so once, and the page goes on.
 */
import { runsAsText, runsIn } from "./kept-runs.ts";
import type { RunRecord } from "./runs.ts";
import { type Kept, put, readShelf, type Shelf } from "./shelf.ts";
import { Signal } from "./signal.ts";
import { storedWork } from "./stored-work.ts";
import type { Work } from "./workspace.ts";

/** What it needs of `localStorage`; both may throw. */
export interface Store {
  readonly getItem: (key: string) => string | null;
  readonly setItem: (key: string, text: string) => void;
}

const workKey = "cellgrad-work";
const runsKey = "cellgrad-runs";

export class Keeper {
  /** What is kept, the latest first. */
  readonly shelf = new Signal<Shelf>([]);
  /** The piece that is worked on; it gets a place on the shelf with the first change. */
  #current: Pick<Kept, "id" | "link" | "held"> = { id: newId() };
  #text: string | undefined;
  #hasComplained = false;
  readonly #store: () => Store;
  readonly #complain: (line: string) => void;

  /** `complain` is called once, where something cannot be kept. */
  constructor(store: () => Store, complain: (line: string) => void) {
    this.#store = store;
    this.#complain = complain;
    this.shelf.set(this.#read());
  }

  get current(): Pick<Kept, "id" | "link" | "held"> {
    return this.#current;
  }

  /** From now on another piece of work is kept, which is `work` so far. */
  open(piece: Partial<Pick<Kept, "id" | "link" | "held">>, work: Work): void {
    this.#current = { id: newId(), ...piece };
    this.#text = JSON.stringify(stored(work));
  }

  /** The visitor agrees that what came by a link runs. */
  release(): void {
    const { held, ...rest } = this.#current;
    if (held === undefined) return;
    this.#current = rest;
    const kept = this.shelf.value.find(({ id }) => id === rest.id);
    if (kept !== undefined) this.#put({ ...rest, saved: kept.saved, work: kept.work });
  }

  /** Keeps the work as it is now, where it has changed; whether it has. */
  save(work: Work): boolean {
    const kept = stored(work);
    const text = JSON.stringify(kept);
    if (text === this.#text) return false;
    this.#text = text;
    this.#put({ ...this.#current, saved: Date.now(), work: kept });
    return true;
  }

  /** The work was shared as this link: opening it here again brings the work with all later changes. */
  shared(link: string, work: Work): void {
    this.#current = { ...this.#current, link };
    this.#put({ ...this.#current, saved: Date.now(), work: stored(work) });
  }

  /** Puts a copy of some work on the shelf, beside what is worked on. */
  keepCopy(work: Work): void {
    const last = this.shelf.value.find(({ id }) => id === this.#current.id);
    this.#put({ id: newId(), saved: Date.now(), work: stored(work) });
    if (last !== undefined) this.#put(last);
  }

  saveRuns(records: readonly RunRecord[]): void {
    this.#attempt(() => this.#store().setItem(runsKey, runsAsText(records)));
  }

  readRuns(): readonly RunRecord[] {
    try {
      return runsIn(this.#store().getItem(runsKey));
    } catch {
      return [];
    }
  }

  /** Other pages may have put something there in the meantime, so the shelf is read anew each time. */
  #put(kept: Kept): void {
    const shelf = put(this.#read(), kept);
    this.#attempt(() => this.#store().setItem(workKey, JSON.stringify(shelf)));
    this.shelf.set(shelf);
  }

  #read(): Shelf {
    try {
      return readShelf(this.#store().getItem(workKey));
    } catch {
      return this.shelf.value;
    }
  }

  #attempt(write: () => void): void {
    try {
      write();
    } catch {
      if (this.#hasComplained) return;
      this.#hasComplained = true;
      this.#complain(
        "This browser keeps nothing for this page, or has no room left: what you make is lost when you leave. Share makes a link that holds it.",
      );
    }
  }
}

function stored(work: Work): Work {
  const kept = storedWork(work);
  return kept.data.kind === "missing" ? { ...kept, data: { ...kept.data, from: "visit" } } : kept;
}

function newId(): string {
  return crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
}
