/**
 * @file Models in files that a browser has handles of, and in IndexedDB: in a page of Chromium, across reloads, and with
 * saves that never end; and in this process, with handles and stores that fail.
 */
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gru } from "../../../cells/gru.ts";
import { indexedDbModel, indexedDbModels, loadModel, savedModel, saveModel } from "../../../entries/files.ts";
import type { FileHandle } from "../../../train/files/file-handle.ts";
import type { ModelStore } from "../../../train/files/model-store.ts";
import { initialize } from "../../../train/initialize.ts";
import { languageModel } from "../../../train/networks.ts";
import { launchBrowser } from "../../support/browser.ts";
import { bundle, openPage } from "../../support/page.ts";
import { lineOf, lineOfPromise, whatever } from "../../support/refused.ts";
import { slow } from "../../support/some-of.ts";
import type { page as actions } from "./stores-page.ts";

type Actions = typeof actions;
type Kind = "file" | "database";

describe("in a page", slow, () => {
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    browser = await launchBrowser([]);
    page = await openPage(browser, await bundle(fileURLToPath(new URL("./stores-page.ts", import.meta.url))));
  });
  afterAll(() => browser?.close());

  async function call<K extends keyof Actions>(name: K, ...given: Parameters<Actions[K]>) {
    await page.waitForFunction("globalThis.page !== undefined");
    return (await page.evaluate(`page.${name}(${given.map((value) => JSON.stringify(value)).join(", ")})`)) as Awaited<
      ReturnType<Actions[K]>
    >;
  }

  test.each<Kind>(["file", "database"])(
    "%s: a model comes back after a reload, and another replaces it",
    async (kind) => {
      expect(await call("save", kind, "kept", 1)).toBe("no error");
      expect(await call("save", kind, "other", 9)).toBe("no error");
      await page.reload();
      expect(await call("load", kind, "kept")).toBe(1);
      expect(await call("save", kind, "kept", 2)).toBe("no error");
      await page.reload();
      expect([await call("load", kind, "kept"), await call("load", kind, "other")]).toEqual([2, 9]);
    },
  );

  test.each<Kind>(["file", "database"])("%s: a save that is interrupted leaves the old model", async (kind) => {
    await call("save", kind, "interrupted", 1);
    await call("saveHanging", kind, "interrupted", 2);
    await page.reload();
    expect(await call("load", kind, "interrupted")).toBe(1);
    expect(await call("saveBroken", kind, "interrupted")).toMatch(/^UserError: .* are not finite/);
    expect(await call("load", kind, "interrupted")).toBe(1);
    expect(await call("save", kind, "interrupted", 3)).toBe("no error");
    expect(await call("load", kind, "interrupted")).toBe(3);
  });

  test("the names in IndexedDB are listed, and a model can be removed", async () => {
    await call("save", "database", "b", 1);
    await call("save", "database", "a", 1);
    expect(await call("names")).toEqual(expect.arrayContaining(["a", "b"]));
    await call("remove", "b");
    expect(await call("names")).not.toContain("b");
    expect(await call("loadLine", "database", "b")).toBe(
      'UserError: the model "b" in IndexedDB is not there; await indexedDbModels() gives the names of those that are',
    );
  });

  test("a folder, an empty file, and a handle that cannot be written are refused in one line", async () => {
    expect(await call("loadLine", "file", "empty")).toMatch(/^UserError: empty is not a valid safetensors file/);
    expect(await call("refused")).toEqual([
      "UserError: saveModel: the place is an object; expected a file: await directory.getFileHandle(name, { create: true })",
      "UserError: old is not written, and what was in it is unchanged: this browser cannot write to file handles (createWritable is missing); use indexedDbModel(name)",
    ]);
  });
});

const network = languageModel({ cell: gru, units: 3, layers: 1, vocabulary: 2, embed: 2 });
const model = savedModel(network, initialize(network.specs, 1), { vocabulary: ["a", "b"] });

/** A handle whose writable does what the test says. */
function handleOf(behaviour: { readonly write?: () => Promise<void>; readonly close?: () => Promise<void> }) {
  const file = { bytes: new Uint8Array([1, 2]), aborted: 0 };
  const handle: FileHandle = {
    name: "m.safetensors",
    getFile: async () => ({ arrayBuffer: async () => file.bytes.slice().buffer }),
    createWritable: async () => {
      let pending = new Uint8Array();
      return {
        write: async (bytes) => {
          await behaviour.write?.();
          pending = bytes;
        },
        close: async () => {
          await behaviour.close?.();
          file.bytes = pending;
        },
        abort: async () => {
          file.aborted += 1;
        },
      };
    },
  };
  return { handle, file };
}

describe("in this process", () => {
  const faults: readonly (readonly [name: string, line: string])[] = [
    [
      "NotAllowedError",
      'the user has not allowed it; after a click, await handle.requestPermission({ mode: "readwrite" })',
    ],
    ["QuotaExceededError", "there is no room left for it"],
    ["NoModificationAllowedError", "it is open elsewhere, in another tab or a worker; close it there"],
    ["NotFoundError", "the file was removed"],
    ["UnknownError", "the disk broke"],
  ];

  test.each(faults)("a write that fails with %s says so in one line, and what was there stays", async (name, line) => {
    const failing = () => Promise.reject(new DOMException("the disk\nbroke", name));
    for (const behaviour of [{ write: failing }, { close: failing }]) {
      const { handle, file } = handleOf(behaviour);
      expect(await lineOfPromise(() => saveModel(handle, model))).toBe(
        `m.safetensors is not written, and what was in it is unchanged: ${line}`,
      );
      expect([...file.bytes, file.aborted]).toEqual([1, 2, 1]);
    }
  });

  test("a handle and a store of one's own keep a model", async () => {
    const { handle, file } = handleOf({});
    await saveModel(handle, model);
    expect(file.aborted).toBe(0);
    expect((await loadModel(handle)).parameters).toEqual(model.parameters);
    let kept = new Uint8Array();
    const store: ModelStore = {
      name: "mine",
      read: async () => kept,
      write: async (bytes) => {
        kept = Uint8Array.from(bytes);
      },
    };
    expect(await lineOfPromise(() => loadModel(store))).toMatch(/mine/);
    await saveModel(store, model);
    expect((await loadModel(store)).parameters).toEqual(model.parameters);
  });

  test("what is no place is refused, and IndexedDB is there in browsers only", async () => {
    const words =
      "expected a FileSystemFileHandle or indexedDbModel(name); paths are for saveModel and loadModel of cellgrad/node";
    for (const [given, shown] of [
      ["m.safetensors", '"m.safetensors"'],
      [undefined, "undefined"],
      [{}, "an object"],
    ] as const) {
      expect(await lineOfPromise(() => saveModel(whatever(given), model))).toBe(
        `saveModel: the place is ${shown}; ${words}`,
      );
      expect(await lineOfPromise(() => loadModel(whatever(given)))).toBe(`loadModel: the place is ${shown}; ${words}`);
    }
    const only = "this host has no IndexedDB; it is for pages and workers of browsers";
    expect(await lineOfPromise(() => saveModel(indexedDbModel("m"), model))).toBe(
      `the model "m" in IndexedDB is not saved, and what was there is unchanged: ${only}`,
    );
    expect(await lineOfPromise(() => indexedDbModels())).toBe(`IndexedDB cannot be read: ${only}`);
    expect(lineOf(() => indexedDbModel(whatever(3)))).toBe("indexedDbModel: the name is 3; expected a text");
  });
});
