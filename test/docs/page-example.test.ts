/**
 * @file The guide's page writes with a model in a browser; the README's program runs in Deno from the sources.
 *
 * @module-tag slow
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { decodeModel, encodeModel, savedModel } from "../../entries/files.ts";
import { initialize, lstm } from "../../index.ts";
import { vocabularyOf } from "../../train/data/text.ts";
import { languageModel } from "../../train/networks.ts";
import { eventsIn } from "../logs/read-events.ts";
import { launchBrowser } from "../support/browser.ts";
import { deno } from "../support/deno.ts";
import { bundle, openPage } from "../support/page.ts";
import { long } from "../support/some-of.ts";
import { blocks, page, readmeFiles, replaced, root } from "./pages.ts";

function inFolder<T>(task: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "cellgrad-page-"));
  return task(folder).finally(() => rmSync(folder, { recursive: true }));
}

/** The bytes of a model that knows the letters of a sentence, untrained. */
function model(): Uint8Array {
  const vocabulary = vocabularyOf("she sells sea shells by the sea shore").characters;
  const network = languageModel({ cell: lstm, units: 6, layers: 1, vocabulary: vocabulary.length, embed: 4 });
  return encodeModel(savedModel(network, initialize(network.specs, 1), { vocabulary }));
}

test("the guide's page writes", async () => {
  const [example = ""] = blocks(page("docs/guide/deploy.md"), "js");
  const script = await inFolder(async (folder) => {
    const entry = join(folder, "page.js");
    writeFileSync(entry, example);
    return bundle(entry);
  });
  const browser = await launchBrowser();
  try {
    const files = { "shells.safetensors": model() };
    const opened = await openPage(browser, script, { files });
    const complaints: string[] = [];
    opened.on("console", (message) => complaints.push(message.text()));
    opened.on("pageerror", (error) => complaints.push(error.message));
    await opened.waitForFunction("document.body.textContent.length >= 40");
    expect(await opened.textContent("body")).toMatch(/^[a-z ]{40}$/);
    expect(complaints).toEqual([]);
  } finally {
    await browser.close();
  }
});

test("models are kept in IndexedDB and in OPFS, and read back", async () => {
  const [example = ""] = blocks(page("docs/recipes/store-models.md"), "js");
  const script = await inFolder(async (folder) => {
    const entry = join(folder, "page.js");
    writeFileSync(entry, example);
    return bundle(entry);
  });
  const browser = await launchBrowser([]);
  try {
    const opened = await openPage(browser, script);
    await opened.waitForFunction("document.body.textContent.includes('letters. lstm with 27 letters. ')");
    const kept = await opened.evaluate(`(async () => {
      const folder = await navigator.storage.getDirectory();
      const file = await (await folder.getFileHandle("letters.safetensors")).getFile();
      return [(await indexedDB.databases()).map(({ name }) => name), file.size];
    })()`);
    expect(kept).toEqual([["cellgrad"], expect.any(Number)]);
    expect((kept as [string[], number])[1]).toBeGreaterThan(2000);
  } finally {
    await browser.close();
  }
});

test.each([
  ["when the text ends, in a browser whose streams are no async iterables", false],
  ["when someone presses Stop", true],
])("a page trains on a download, logs, and saves its model %s", async (_, isStopped) => {
  const [example = ""] = blocks(page("docs/recipes/train-in-a-page.md"), "js");
  const script = await inFolder(async (folder) => {
    const entry = join(folder, "page.js");
    writeFileSync(entry, example);
    return bundle(entry);
  });
  const asSafari = isStopped ? "" : "delete ReadableStream.prototype[Symbol.asyncIterator];\n";
  const text = "she sells sea shells by the sea shore. ".repeat(isStopped ? 200_000 : 20);
  const browser = await launchBrowser([]);
  try {
    const files = { "shells.txt": new TextEncoder().encode(text) };
    const opened = await openPage(browser, `${asSafari}${script}`, { files });
    if (isStopped) {
      await opened.waitForFunction("/^step [2-9]/.test(document.body.textContent)");
      await opened.click("button");
    }
    await opened.waitForFunction("document.body.textContent.includes('saved after')");
    const steps = Number(/saved after (\d+) steps/.exec((await opened.textContent("body")) ?? "")?.[1]);
    const kept = (await opened.evaluate(`(async () => {
      const found = {};
      for await (const [name, handle] of (await navigator.storage.getDirectory()).entries())
        found[name] = [...new Uint8Array(await (await handle.getFile()).arrayBuffer())];
      return found;
    })()`)) as Record<string, number[]>;
    const bytesOf = (word: string) =>
      Uint8Array.from(Object.entries(kept).find(([name]) => name.includes(word))?.[1] ?? []);
    expect(decodeModel(bytesOf("safetensors"), "shells").training).toEqual({ steps });
    const points = eventsIn(bytesOf("tfevents")).flatMap(({ step, values }) => values.map(({ tag }) => [step, tag]));
    const last = Number(points.at(-1)?.[0]);
    expect(points).toEqual(Array.from({ length: last }, (_, i) => [i + 1, "loss/training"]));
    // Of the steps in flight when it was stopped, no result was given.
    if (isStopped) expect([steps - last <= 4, steps < text.length / 64 - 1]).toEqual([true, true]);
    else expect([last, steps]).toEqual([12, 12]);
  } finally {
    await browser.close();
  }
});

test("the README's program runs in Deno, from the sources", async () => {
  const { "program.ts": program, "my-cell.ts": cell } = readmeFiles();
  const short = replaced(replaced(program, "epoch <= 10", "epoch <= 2"), "units: 32", "units: 8");
  const output = await inFolder((folder) => {
    writeFileSync(join(folder, "my-cell.ts"), cell);
    writeFileSync(join(folder, "program.ts"), short);
    const config = ["--config", join(root, "deno.json")];
    return deno(["run", "-A", "--no-remote", ...config, join(folder, "program.ts")], { cwd: root });
  });
  expect(output).toMatch(/^epoch 1: held-out loss \d\.\d\d\nepoch 2: held-out loss \d\.\d\d\n$/);
});

test("Deno finds nothing wrong with the types of the sources", long, async () => {
  const { exports } = JSON.parse(page("deno.json")) as { exports: Readonly<Record<string, string>> };
  await deno(["check", "--quiet", ...Object.values(exports)], { cwd: root });
});
