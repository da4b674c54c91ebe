/**
 * @file What a visitor makes is kept: code, settings, data, runs, through reloads, links and other starts.
 *
 * @module-tag slow
 */
import { readFile } from "node:fs/promises";
import { decode } from "fast-png";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "../support/browser.ts";
import { buildPlayground, openPlayground, type Site, withWebGpu, writeSource } from "../support/playground.ts";
import { long } from "../support/some-of.ts";

let site: Site;
let browser: Browser;

beforeAll(async () => {
  [site, browser] = await Promise.all([buildPlayground(), launchBrowser()]);
});

afterAll(() => browser?.close());

const sourceOf = (name: string) => `import { cell, dense, tanh } from "cellgrad";

export default cell("${name}", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const next = tanh(dense("hidden", [x, h], units));
  return { state: { h: next }, output: next };
});
`;

/** What comes to hold, though a busy machine takes its time. */
const eventually = <T>(look: () => T | Promise<T>) => expect.poll(look);
const press = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();
/** But for those about the device. */
const notices = async (page: Page) =>
  (await page.locator(".notice p").allTextContents()).filter((text) => !text.startsWith("The only adapter"));
const tabs = (page: Page) => page.locator(".cell-tab button[aria-pressed]").allTextContents();
const editor = (page: Page) => page.getByLabel("Source of the cell");
const row = (page: Page, run: string) =>
  page.locator(".figures tbody tr").filter({ has: page.getByLabel(`Show ${run}`, { exact: true }) });
const stepOf = async (page: Page, run: string) =>
  Number(((await row(page, run).locator("td").nth(1).textContent()) ?? "").replaceAll(",", ""));
const untilStep = (page: Page, run: string, step: number) =>
  eventually(() => stepOf(page, run)).toBeGreaterThanOrEqual(step);
const settings = async (page: Page) => {
  await page.getByText("Sizes and settings", { exact: true }).click();
  await page.getByText("More settings").click();
};
/** Leaves the page, as closing it does, and comes back to an address of it. */
const comeBack = async (page: Page, hash = "") => {
  await page.goto("about:blank");
  await page.goto(`${withWebGpu}${hash}`);
};

/** Keeps back what the worker of the device says, until it is released. */
const holdDevice = `{
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  globalThis.held = { release };
  const Known = Worker;
  globalThis.Worker = class extends Known {
    addEventListener(type, listener, options) {
      const later = (event) => released.then(() => listener(event));
      super.addEventListener(type, type === "message" ? later : listener, options);
    }
  };
}`;

test("code, settings and pasted data are there again on the next visit, and so are the curves of runs", async () => {
  const { page, complaints } = await openPlayground(browser, site);
  await page.locator(".diagram").waitFor();
  await writeSource(page, sourceOf("my-own"));
  await eventually(() => tabs(page)).toEqual(["my-own"]);
  await settings(page);
  await page.getByLabel("Units").fill("12");
  await page.getByLabel("Optimizer").selectOption("sgd");
  await page.getByLabel("Dropout", { exact: true }).fill("0.25");
  await page.getByLabel("Learn from").selectOption("own");
  await page.getByLabel("Text or table to learn from").fill("so it goes on and on. ".repeat(100));
  await press(page, "Train");
  await untilStep(page, "my-own", 10);
  await press(page, "Pause");
  const steps = await stepOf(page, "my-own");
  await comeBack(page);
  await eventually(() => tabs(page)).toEqual(["my-own"]);
  expect(await editor(page).textContent()).toContain('cell("my-own"');
  await settings(page);
  expect(await page.getByLabel("Units").inputValue()).toBe("12");
  expect(await page.getByLabel("Optimizer").inputValue()).toBe("sgd");
  expect(await page.getByLabel("Dropout", { exact: true }).inputValue()).toBe("0.25");
  expect(await page.getByLabel("Text or table to learn from").inputValue()).toMatch(/^so it goes on/);
  await eventually(() => page.locator(".data .about").first().textContent()).toMatch(/^2,200 characters/);
  expect(await stepOf(page, "my-own")).toBeGreaterThanOrEqual(steps);
  // A file that is too large to stand beside the code is there again as well.
  const book = { name: "book.txt", mimeType: "", buffer: Buffer.alloc(300_000, "so it goes on. ") };
  const about = page.locator(".data .about");
  await page.getByLabel("File to learn from").setInputFiles(book);
  await eventually(() => about.first().textContent()).toMatch(/^300,000 characters/);
  await eventually(() => page.evaluate<string>('localStorage.getItem("cellgrad-work")')).toContain("book.txt");
  await comeBack(page);
  await eventually(() => about.first().textContent()).toMatch(/^300,000 characters/);
  await eventually(() => about.last().textContent()).toBe("Training data: book.txt.");
  // What was trained is history: the next run has a name of its own.
  await press(page, "Train");
  await untilStep(page, "my-own 2", 3);
  expect(complaints).toEqual([]);
  await page.close();
});

test("a start from another cell is one edit that the keyboard undoes, and a line above the code too", async () => {
  const { page } = await openPlayground(browser, site);
  await page.locator(".diagram").waitFor();
  await writeSource(page, sourceOf("mine"));
  await eventually(() => tabs(page)).toEqual(["mine"]);
  await page.getByLabel("Start from…").selectOption("gru");
  await eventually(() => tabs(page)).toEqual(["gru"]);
  await eventually(() => page.locator(".started").textContent()).toMatch(/^gru replaced mine, whose code is kept/);
  await editor(page).press("Control+z");
  await eventually(() => tabs(page)).toEqual(["mine"]);
  expect(await editor(page).textContent()).toContain('cell("mine"');
  await editor(page).press("Control+y");
  await eventually(() => tabs(page)).toEqual(["gru"]);
  // Whatever was written since, what was there before comes back.
  await writeSource(page, sourceOf("other"));
  await eventually(() => tabs(page)).toEqual(["other"]);
  await press(page, "Undo");
  await eventually(() => tabs(page)).toEqual(["mine"]);
  expect(await page.locator(".started:visible").count()).toBe(0);
  // Another cell beside it has a history of its own.
  await page.getByLabel("Compare with…").selectOption("rnn");
  await editor(page).press("Control+z");
  await eventually(() => tabs(page)).toEqual(["mine", "rnn"]);
  await page.getByRole("button", { name: "mine", exact: true }).click();
  await editor(page).press("Control+z");
  await eventually(() => tabs(page)).toEqual(["other", "rnn"]);
  // A start after which the page is left is not lost either.
  await page.getByLabel("Start from…").selectOption("lru");
  await eventually(() => tabs(page)).toEqual(["lru", "rnn"]);
  await comeBack(page);
  await eventually(() => tabs(page)).toEqual(["lru", "rnn"]);
  const kept = page.getByLabel("Earlier work…").locator("option", { hasText: /^other, rnn/ });
  await page.getByLabel("Earlier work…").selectOption((await kept.first().getAttribute("value")) ?? "");
  await eventually(() => tabs(page)).toEqual(["other", "rnn"]);
  await page.close();
});

test("every cell of the zoo can be started from", long, async () => {
  const { page, complaints } = await openPlayground(browser, site);
  await page.locator(".diagram").waitFor();
  const menu = page.getByLabel("Start from…");
  const names = await menu
    .locator("option")
    .evaluateAll((options) => options.map((option) => option.getAttribute("value")));
  const known = names.filter((name) => name !== null && name !== "");
  expect(known.length).toBeGreaterThan(20);
  for (const name of known) {
    await menu.selectOption(name);
    await eventually(() => tabs(page)).toEqual([name]);
    expect(await page.locator(".faults").textContent(), name ?? "").toBe("");
  }
  expect(complaints).toEqual([]);
  await page.close();
});

test("a link does not replace the visitor's own work: it is kept, one press away", async () => {
  const { page: sender } = await openPlayground(browser, site);
  await sender.locator(".diagram").waitFor();
  await writeSource(sender, sourceOf("sent"));
  await eventually(() => tabs(sender)).toEqual(["sent"]);
  await press(sender, "Share");
  await eventually(() => sender.url()).toMatch(/#cell=sent\.[\w-]+$/);
  const { hash } = new URL(sender.url());
  // What is changed after a link was made is there again when its own page is loaded again.
  await writeSource(sender, sourceOf("sent-and-changed"));
  await eventually(() => tabs(sender)).toEqual(["sent-and-changed"]);
  await comeBack(sender, hash);
  await eventually(() => tabs(sender)).toEqual(["sent-and-changed"]);
  await press(sender, "Show it as it came");
  await eventually(() => editor(sender).textContent()).toContain('cell("sent"');
  await sender.close();

  const { page, complaints } = await openPlayground(browser, site);
  await page.locator(".diagram").waitFor();
  await writeSource(page, sourceOf("my-own"));
  await eventually(() => tabs(page)).toEqual(["my-own"]);
  await comeBack(page, hash);
  await eventually(() => page.locator(".faults").textContent()).toMatch(/came by a link/);
  // Edited or not, it does not run before the visitor agrees, on the next visit neither.
  await writeSource(page, sourceOf("edited"));
  await comeBack(page);
  await eventually(() => page.locator(".faults").textContent()).toMatch(/came by a link/);
  expect(await editor(page).textContent()).toContain('cell("edited"');
  const kept = page.getByLabel("Earlier work…").locator("option", { hasText: /^my-own/ });
  await page.getByLabel("Earlier work…").selectOption((await kept.first().getAttribute("value")) ?? "");
  await eventually(() => tabs(page)).toEqual(["my-own"]);
  await page.locator(".diagram").waitFor();
  expect(page.url()).not.toContain("#");
  // And once more by the notice.
  await comeBack(page, hash);
  await eventually(() => notices(page)).toEqual([
    expect.stringMatching(/came by a link/),
    expect.stringMatching(/your changes are shown/),
  ]);
  expect(complaints).toEqual([]);
  await page.close();
});

test("a browser that keeps nothing says so once, and everything else goes on", async () => {
  const { page, complaints } = await openPlayground(browser, site);
  await page.addInitScript(`Object.defineProperty(globalThis, "localStorage", {
    get() { throw new DOMException("forbidden", "SecurityError"); },
  });`);
  await comeBack(page);
  await page.locator(".diagram").waitFor();
  for (const name of ["first", "second"]) {
    await writeSource(page, sourceOf(name));
    await eventually(() => tabs(page)).toEqual([name]);
    await eventually(() => notices(page)).toEqual([expect.stringMatching(/^This browser keeps nothing for this page/)]);
  }
  await press(page, "Train");
  await untilStep(page, "second", 3);
  expect(await notices(page)).toHaveLength(1);
  expect(complaints).toEqual([]);
  await page.close();
});

test("runs stay beside each other until they are removed, and what tells them apart is in the table", async () => {
  const { page, complaints } = await openPlayground(browser, site);
  await page.locator(".diagram").waitFor();
  await page.getByLabel("Start from…").selectOption("rnn");
  await settings(page);
  await page.getByLabel("Units").fill("8");
  await press(page, "Train");
  await untilStep(page, "rnn", 5);
  // Another optimizer, another run; its usual rate comes with it.
  await page.getByLabel("Optimizer").selectOption("lion");
  await press(page, "Train the changes");
  await untilStep(page, "rnn 2", 5);
  const differences = () => page.locator(".figures tbody small").allTextContents();
  await eventually(differences).toEqual(["adam · rate 0.005", "lion · rate 0.0005"]);
  const before = await stepOf(page, "rnn");
  // The same again.
  await press(page, "Train anew");
  await untilStep(page, "rnn 3", 5);
  await eventually(differences).toEqual(["adam · rate 0.005", "lion · rate 0.0005", "lion · rate 0.0005"]);
  expect(await stepOf(page, "rnn")).toBe(before);
  await page.getByLabel("Start from…").selectOption("gru");
  await press(page, "Train the changes");
  await untilStep(page, "gru", 2);
  expect(await page.locator(".figures tbody tr").count()).toBe(4);

  await page.getByLabel("Show rnn 3").uncheck();
  await press(page, "Remove rnn 2");
  await eventually(() => page.locator(".figures tbody label span").allTextContents()).toEqual([
    expect.stringMatching(/^rnn/),
    expect.stringMatching(/^rnn 3/),
    expect.stringMatching(/^gru/),
  ]);
  // A run that trains can be removed as well: it ends, and the device has its memory back.
  await press(page, "Remove gru");
  await page.getByRole("button", { name: "Train", exact: true }).waitFor();
  const memory = await page.evaluate(`new Promise((resolve) => {
    remembered.device.addEventListener("message", ({ data }) => data.id === 2_000_000 && resolve(data.result.buffers));
    remembered.device.postMessage({ type: "memory", id: 2_000_000 });
  })`);
  expect(memory).toBe(0);
  await press(page, "Remove all runs");
  await page.locator("ol.empty").waitFor();
  expect(await page.locator(".figures:visible").count()).toBe(0);
  expect(complaints).toEqual([]);
  await page.close();
});

test("an invalid number gets one line, and all settings train", async () => {
  const { page, complaints } = await openPlayground(browser, site);
  await page.locator(".diagram").waitFor();
  await settings(page);
  await page.getByLabel("Dropout", { exact: true }).fill("3");
  await page.getByLabel("Dropout", { exact: true }).press("Tab");
  await eventually(() => page.locator(".sizes .wrong").textContent()).toBe(
    "Dropout is a number from 0 to 0.95: 3 was taken as 0.95.",
  );
  await page.getByLabel("Dropout", { exact: true }).fill("0.1");
  await page.getByLabel("Recurrent dropout").fill("0.1");
  await page.getByLabel("Zoneout").fill("0.1");
  await page.getByLabel("Weight decay").fill("0.01");
  await page.getByLabel("Clip gradients at").fill("0");
  expect(await page.getByLabel("Schedule’s steps").isVisible()).toBe(false);
  await page.getByRole("combobox", { name: "Schedule", exact: true }).selectOption("cosine");
  await page.getByLabel("Schedule’s steps").fill("500");
  await page.getByLabel("Warm-up").fill("10");
  await page.getByLabel("Units").fill("8");
  expect(await page.locator(".sizes .wrong:visible").count()).toBe(0);
  await press(page, "Train");
  await untilStep(page, "lstm", 3);
  expect(complaints).toEqual([]);
  await page.close();
});

test("own text that is chosen before the worker has spoken stays chosen, and is what is trained on", async () => {
  const { page, complaints } = await openPlayground(browser, site);
  await page.addInitScript(holdDevice);
  await comeBack(page);
  const choice = page.getByRole("combobox", { name: "Learn from" });
  await choice.selectOption("own");
  const field = page.getByRole("textbox", { name: "Text or table to learn from" });
  await field.focus();
  expect(await choice.locator("option").count()).toBe(2);
  await page.evaluate("held.release()");
  await eventually(() => choice.locator("option").count()).toBeGreaterThan(2);
  expect(await choice.inputValue()).toBe("own");
  await page.keyboard.insertText("abc ".repeat(500));
  await press(page, "Train");
  await untilStep(page, "lstm", 2);
  expect(await page.locator(".data .about").first().textContent()).toBe("2,000 characters, 4 different");
  expect(complaints).toEqual([]);
  await page.close();
});

test("what was pasted is what is trained on, with no other button, and an empty field is not passed over", async () => {
  const { page, complaints } = await openPlayground(browser, site);
  await page.locator(".diagram").waitFor();
  await page.getByLabel("Learn from").selectOption("own");
  await press(page, "Train");
  await eventually(() => page.locator(".training-panel .problem").textContent()).toMatch(
    /^there is nothing to learn from yet/,
  );
  await page.getByLabel("Text or table to learn from").fill("abc ".repeat(500));
  await press(page, "Train");
  await untilStep(page, "lstm", 2);
  expect(await page.locator(".data .about").first().textContent()).toBe("2,000 characters, 4 different");

  // Small data come along in a link; of large ones the link has name and size, and says so to both.
  await press(page, "Share");
  await eventually(() => notices(page)).toEqual([expect.stringMatching(/It holds lstm, the settings and your data/)]);
  const { hash } = new URL(page.url());
  const numbers = Array.from({ length: 30_000 }, (_, i) => (Math.sin(i * i) * 1000).toFixed(3)).join("\n");
  await page
    .getByLabel("File to learn from")
    .setInputFiles({ name: "rivers.csv", mimeType: "", buffer: Buffer.from(`v\n${numbers}\n`) });
  await eventually(() => page.locator(".data .about").first().textContent()).toMatch(/^30,000 rows of v/);
  await press(page, "Share");
  await eventually(() => page.locator(".notice").last().textContent()).toMatch(
    /too large for a link: it names them \(rivers\.csv\)/,
  );
  const { hash: large } = new URL(page.url());
  expect(large.length).toBeLessThan(16_000);
  expect(complaints).toEqual([]);
  await page.close();

  const { page: other } = await openPlayground(browser, site, { hash });
  await eventually(() => other.locator(".data .about").first().textContent()).toBe("2,000 characters, 4 different");
  await other.goto("about:blank");
  await other.goto(`${withWebGpu}${large}`);
  const asks =
    /^This link was made with rivers\.csv \(2\d\d\.\d kB\), which is too large for a link: choose that file below/;
  await eventually(() => other.locator(".data .about").first().textContent()).toMatch(asks);
  await press(other, "Train");
  await eventually(() => other.locator(".training-panel .problem").textContent()).toMatch(asks);
  await other.close();
});

test("curves are there as a picture and as CSV, and figures as CSV, named after the cell", async () => {
  const { page, complaints } = await openPlayground(browser, site, { colorScheme: "dark" });
  await page.locator(".diagram").waitFor();
  await writeSource(page, sourceOf("mine"));
  await eventually(() => tabs(page)).toEqual(["mine"]);
  await press(page, "Train");
  await untilStep(page, "mine", 20);
  await press(page, "Pause");
  await page.getByRole("button", { name: "Resume" }).waitFor();
  const fileOf = async (label: string) => {
    const downloading = page.waitForEvent("download");
    await press(page, label);
    const download = await downloading;
    return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
  };
  const curves = await fileOf("Curves as CSV");
  expect(curves.name).toBe("mine-curves.csv");
  expect(curves.bytes.toString()).toMatch(/^run,step,loss,held-out loss,tokens per second\r\nmine,\d+,[\d.]+,/);
  const figures = await fileOf("Figures as CSV");
  expect(figures.name).toBe("mine-figures.csv");
  expect(figures.bytes.toString()).toMatch(/\r\nmine,mine,this project's documentation,\d+,/);
  const picture = await fileOf("Curves as PNG");
  expect(picture.name).toBe("mine-curves.png");
  const { width, height, data, channels } = decode(picture.bytes);
  expect([width, height > 900]).toEqual([1920, true]);
  const colours = new Set<string>();
  for (let i = 0; i < data.length; i += channels) colours.add(data.slice(i, i + 3).join());
  const background = [...data.slice(0, 3)].join();
  const colourOf = (selector: string) =>
    page.evaluate<string>(`getComputedStyle(document.querySelector(${JSON.stringify(selector)})).backgroundColor`);
  const [card, dot] = [await colourOf(".card.training"), await colourOf(".figures .dot")];
  const numbersOf = (text: string) => (text.match(/\d+/g) ?? []).join();
  expect(background).toBe(numbersOf(card));
  // Its curve and its entry in the legend.
  expect(colours).toContain(numbersOf(dot));
  // A hidden run is not drawn; with none there is nothing to draw.
  await page.getByLabel("Show mine").uncheck();
  await eventually(() => page.getByRole("button", { name: "Curves as PNG" }).isDisabled()).toBe(true);
  expect(complaints).toEqual([]);
  await page.close();
});
