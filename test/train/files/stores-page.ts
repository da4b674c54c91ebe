/** @file A page that saves and loads models; its functions are properties of the global object, for tests to call. */
import {
  indexedDbModel,
  indexedDbModels,
  loadModel,
  type ModelPlace,
  type SavedModel,
  savedModel,
  saveModel,
} from "../../../entries/files.ts";
import { gru, initialize } from "../../../index.ts";
import { languageModel } from "../../../train/networks.ts";

/** What is used of OPFS. */
interface Folder {
  getFileHandle(name: string, options?: { readonly create: boolean }): Promise<ModelPlace>;
}
type Kind = "file" | "database";
const folder = () =>
  (
    globalThis as unknown as { navigator: { storage: { getDirectory(): Promise<Folder> } } }
  ).navigator.storage.getDirectory();
const placeOf = async (kind: Kind, name: string): Promise<ModelPlace> =>
  kind === "file" ? (await folder()).getFileHandle(name, { create: true }) : indexedDbModel(name);

const network = languageModel({ cell: gru, units: 64, layers: 1, vocabulary: 2, embed: 8 });
const modelOf = (seed: number): SavedModel =>
  savedModel(network, initialize(network.specs, seed), { vocabulary: ["a", "b"], training: { seed } });

async function lineOf(task: () => Promise<unknown>): Promise<string> {
  try {
    await task();
    return "no error";
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
}

/** The seed of a model that is what it was, to the bit. */
async function seedOf(place: ModelPlace): Promise<unknown> {
  const { parameters, training } = await loadModel(place);
  const { seed } = training ?? {};
  const expected = modelOf(Number(seed)).parameters;
  const isSame = Object.keys(expected).every((path) =>
    expected[path]?.data.every((value, i) => Math.fround(value) === parameters[path]?.data[i]),
  );
  return isSame ? seed : "another model";
}

export const page = {
  save: async (kind: Kind, name: string, seed: number) =>
    lineOf(async () => saveModel(await placeOf(kind, name), modelOf(seed))),
  load: async (kind: Kind, name: string) => seedOf(await placeOf(kind, name)),
  loadLine: async (kind: Kind, name: string) => lineOf(async () => loadModel(await placeOf(kind, name))),
  names: () => indexedDbModels(),
  remove: (name: string) => indexedDbModel(name).remove(),
  /** A model whose weights are not finite. */
  saveBroken: (kind: Kind, name: string) =>
    lineOf(async () => {
      const model = modelOf(1);
      const [first] = Object.values(model.parameters);
      first?.data.fill(Number.NaN);
      await saveModel(await placeOf(kind, name), model);
    }),
  /** Begins to save, and never ends. */
  saveHanging: async (kind: Kind, name: string, seed: number) => {
    const place = await placeOf(kind, name);
    await new Promise<void>((written) => {
      if (kind === "file") {
        const { prototype } = (globalThis as unknown as { FileSystemWritableFileStream: { prototype: object } })
          .FileSystemWritableFileStream;
        Object.assign(prototype, {
          close: () => {
            written();
            return new Promise(() => {});
          },
        });
      } else {
        const { prototype } = (
          globalThis as unknown as { IDBObjectStore: { prototype: { put: (...given: unknown[]) => object } } }
        ).IDBObjectStore;
        const put = prototype.put;
        prototype.put = function hanging(this: unknown, ...given) {
          const request = put.apply(this, given) as { onsuccess: () => void };
          // The transaction is kept open by requests that follow each other.
          const again = () => {
            written();
            (put.apply(this, given) as { onsuccess: () => void }).onsuccess = again;
          };
          request.onsuccess = again;
          return request;
        };
      }
      void saveModel(place, modelOf(seed)).catch(() => {});
    });
  },
  /** A handle of a folder, and one of an older Safari. */
  refused: async () => {
    const { getFile, name } = (await placeOf("file", "old")) as unknown as { getFile: unknown; name: string };
    const handle = await placeOf("file", "old");
    const safari = { name, getFile: (getFile as () => unknown).bind(handle) } as ModelPlace;
    return [
      await lineOf(async () => saveModel((await folder()) as unknown as ModelPlace, modelOf(1))),
      await lineOf(() => saveModel(safari, modelOf(2))),
    ];
  },
};

Object.assign(globalThis, { page });
