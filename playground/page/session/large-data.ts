/**
 * @file Data that are too large to stand with the work, in a database of the browser, by the piece of work that they belong
 * to. Where there is none, as in some private windows, nothing is kept here, and the next visit asks for the file.
 */
import type { DataChoice } from "./workspace.ts";

export type OwnData = Extract<DataChoice, { kind: "text" | "csv" }>;

const database = "cellgrad";
const table = "data";

export async function keepData(id: string, data: OwnData): Promise<void> {
  await inTable("readwrite", (store) => store.put(data, id));
}

export async function dataOf(id: string): Promise<OwnData | undefined> {
  return inTable<OwnData | undefined>("readonly", (store) => store.get(id));
}

/** Lets go of what belongs to other pieces of work. */
export async function keepDataOf(ids: readonly string[]): Promise<void> {
  const keys = (await inTable("readonly", (store) => store.getAllKeys())) ?? [];
  for (const key of keys) if (!ids.includes(String(key))) await inTable("readwrite", (store) => store.delete(key));
}

/** Undefined where the browser has no such database for this page. */
function inTable<T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const nothing = () => resolve(undefined);
    try {
      const opening = indexedDB.open(database, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(table);
      opening.onerror = nothing;
      opening.onblocked = nothing;
      opening.onsuccess = () => {
        const opened = opening.result;
        const asked = opened.transaction(table, mode);
        const request = ask(asked.objectStore(table));
        asked.oncomplete = () => resolve(request.result);
        asked.onabort = nothing;
        asked.onerror = nothing;
        opened.close();
      };
    } catch {
      nothing();
    }
  });
}
