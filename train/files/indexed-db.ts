/**
 * @file Models in IndexedDB: one database of the page's origin, one entry for each model, by name. A transaction replaces an
 * entry as a whole: a page that is closed before it is complete leaves the old one.
 */
import { expectArgument, messageOf, oneLine, UserError } from "../../compiler/graph/errors.ts";
import type { ModelStore } from "./model-store.ts";

/** What is used of IndexedDB; TypeScript programs without DOM types have no names for it. */
interface Request<T> {
  readonly result: T;
  readonly error: unknown;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
  onupgradeneeded?: (() => void) | null;
}

interface Entries {
  get(name: string): Request<unknown>;
  put(bytes: Uint8Array, name: string): Request<unknown>;
  delete(name: string): Request<undefined>;
  getAllKeys(): Request<string[]>;
}

interface Transaction {
  readonly error: unknown;
  objectStore(name: string): Entries;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
}

interface Database {
  createObjectStore(name: string): unknown;
  transaction(name: string, mode: Mode, options: { readonly durability: "strict" }): Transaction;
  close(): void;
}

interface Factory {
  open(name: string, version: number): Request<Database>;
}

type Mode = "readonly" | "readwrite";

const [database, version, entries] = ["cellgrad", 1, "models"] as const;

/** A model's place in IndexedDB. */
export interface IndexedDbModel extends ModelStore {
  /** Removes the model, if there is one. */
  readonly remove: () => Promise<void>;
}

/** The place of the model with this name in the page's IndexedDB, for `saveModel` and `loadModel`. */
export function indexedDbModel(name: string): IndexedDbModel {
  expectArgument(typeof name === "string" && name !== "", "indexedDbModel: the name", name, "a text");
  const shown = `the model ${JSON.stringify(name)} in IndexedDB`;
  return {
    name: shown,
    read: async () => {
      const found = await transact("readonly", `${shown} cannot be read`, (models) => models.get(name));
      if (found instanceof Uint8Array) return found;
      const what = found === undefined ? "is not there" : "is not a model's bytes";
      throw new UserError(`${shown} ${what}; await indexedDbModels() gives the names of those that are`);
    },
    write: async (bytes) => {
      const kept = `${shown} is not saved, and what was there is unchanged`;
      // Only these bytes: a view is stored with all that lies around it.
      await transact("readwrite", kept, (models) => models.put(Uint8Array.from(bytes), name));
    },
    remove: async () => {
      await transact("readwrite", `${shown} is not removed`, (models) => models.delete(name));
    },
  };
}

/** The names of the models in the page's IndexedDB, in order. */
export async function indexedDbModels(): Promise<string[]> {
  return transact("readonly", "IndexedDB cannot be read", (models) => models.getAllKeys());
}

/** Resolves when the transaction is complete: what it has written then outlives the page. */
async function transact<T>(mode: Mode, failure: string, use: (models: Entries) => Request<T>): Promise<T> {
  const { indexedDB } = globalThis as { readonly indexedDB?: Factory };
  if (indexedDB === undefined)
    throw new UserError(`${failure}: this host has no IndexedDB; it is for pages and workers of browsers`);
  let opened: Database | undefined;
  try {
    opened = await open(indexedDB);
    const transaction = opened.transaction(entries, mode, { durability: "strict" });
    const ended = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    const request = use(transaction.objectStore(entries));
    await ended;
    return request.result;
  } catch (error) {
    const { name = "" } = (error ?? {}) as { readonly name?: string };
    const why = name === "QuotaExceededError" ? "there is no room left for it" : oneLine(messageOf(error));
    throw new UserError(`${failure}: ${why}`, { cause: error });
  } finally {
    opened?.close();
  }
}

function open(factory: Factory): Promise<Database> {
  return new Promise((resolve, reject) => {
    const request = factory.open(database, version);
    request.onupgradeneeded = () => request.result.createObjectStore(entries);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
