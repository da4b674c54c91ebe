/**
 * @file Pages with a model that was compiled ahead of time, in a real browser: the example's, and the guide's few lines.
 *
 * @module-tag slow
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { modelToWasm } from "../../entries/wasm.ts";
import { writePage } from "../../examples/compiled-model.ts";
import { openDevice } from "../../index.ts";
import type { SavedModel } from "../../train/files/model-file.ts";
import { blocks, page as documentation } from "../docs/pages.ts";
import { launchBrowser } from "../support/browser.ts";
import { openFolder } from "../support/page.ts";
import { CompiledFolder, type Loaded } from "../support/standalone.ts";

const text = "she sells sea shells by the sea shore. ".repeat(12);
const folder = new CompiledFolder();
let browser: Browser;
let model: SavedModel;
let loaded: Loaded;

beforeAll(async () => {
  const device = await openDevice({ device: "cpu", threads: 1 });
  model = await writePage(device, text, { units: 12, embed: 6, epochs: 10 }, folder.path);
  device.destroy();
  loaded = await (await folder.add("model", modelToWasm(model)))();
  browser = await launchBrowser([]);
});
afterAll(async () => {
  await browser?.close();
  folder.remove();
});

const opened: { complaints: string[]; page: Page }[] = [];
async function open(): Promise<Page> {
  const page = await openFolder(browser, folder.path);
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  opened.push({ complaints, page });
  return page;
}

test("the example's page writes what its model has learned, the same text as Node, to the bit", async () => {
  const page = await open();
  await page.locator("#about").filter({ hasText: "It knows" }).waitFor();
  await page.locator("#prompt").fill("she ");
  await page.getByRole("button", { name: "Write" }).click();
  const expected = ["she ", ...loaded.sample({ prompt: "she ", length: 300, temperature: 0.7, seed: 1 })].join("");
  await expect.poll(() => page.locator("#text").textContent()).toBe(expected);
  // It has learned more than letters.
  expect(expected.split(" ").filter((word) => text.includes(` ${word} `)).length).toBeGreaterThan(15);
  const program = `import("./model.js").then(async ({ load }) => (await load()).run([1, 2, 3, 0]).map((output) => [...output]))`;
  expect(await page.evaluate(program)).toEqual(loaded.run([1, 2, 3, 0]).map((output) => [...output]));

  await page.locator("#prompt").fill("é");
  await page.getByRole("button", { name: "Write" }).click();
  await expect.poll(() => page.locator("#text").textContent()).toBe(`"é" is not in the model's vocabulary`);
  const absent = `import("./model.js").then(({ load }) => load("absent.wasm")).catch((error) => error.message)`;
  await page.route("**/absent.wasm", (route) => route.fulfill({ status: 404 }));
  expect(await page.evaluate(absent)).toBe("load: absent.wasm: HTTP status 404");
  expect(opened.at(-1)?.complaints.filter((line) => !line.includes("404"))).toEqual([]);
});

test("the guide's page writes", async () => {
  const [html = ""] = blocks(documentation("docs/guide/compile.md"), "html");
  await folder.add("shells", modelToWasm(model, { name: "shells" }));
  writeFileSync(join(folder.path, "index.html"), html);
  const page = await open();
  await expect.poll(() => page.locator("#text").textContent()).toHaveLength(4 + 200);
  expect(opened.at(-1)?.complaints).toEqual([]);
});

test("the page is the example's file, and nothing in the folder knows of the library", () => {
  for (const name of ["model.js", "model.d.ts", "index.html"])
    expect(readFileSync(join(folder.path, name), "utf8")).not.toMatch(/from "cellgrad/);
});
