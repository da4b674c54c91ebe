/**
 * @file The playground in a real browser with no graphics card, built as it is deployed: what a visitor does in the first
 * minutes, and what one does who means no good.
 *
 * @module-tag slow
 */
import { readFile } from "node:fs/promises";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "../support/browser.ts";
import {
  buildPlayground,
  figureOf,
  openPlayground,
  type Site,
  tellWorker,
  toldWorkers,
  withoutWebGpu,
  withWebGpu,
  writeSource,
} from "../support/playground.ts";
import { long } from "../support/some-of.ts";

let site: Site;
let browser: Browser;

beforeAll(async () => {
  [site, browser] = await Promise.all([buildPlayground(), launchBrowser()]);
});

afterAll(() => browser?.close());

const mine = `import { add, cell, dense, mul, oneMinus, sigmoid, tanh } from "cellgrad";

// a secret remark
export default cell("mine", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const f = sigmoid(dense("forget", [h, x], units));
  const n = tanh(dense("candidate", [mul(f, h), x], units));
  const next = add(mul(oneMinus(f), h), mul(f, n));
  return { state: { h: next }, output: next };
});
`;

/** What comes to hold, though a busy machine takes its time. */
const eventually = <T>(look: () => T | Promise<T>) => expect.poll(look);
const untilStep = (page: Page, step: number) => eventually(() => figureOf(page, "Step")).toBeGreaterThanOrEqual(step);
const fault = (page: Page) => page.locator(".faults");
const underlined = (page: Page) => page.locator(".cm-lintRange-error");
const press = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();

test("a visitor edits a cell, breaks it, mends it, trains it, lets it write, keeps it, and comes back with it", async () => {
  const { page, complaints } = await openPlayground(browser, site);
  await page.locator(".diagram .part-gate").first().waitFor();
  expect(await page.locator(".diagram .part-gate .name").allTextContents()).toHaveLength(4);

  await writeSource(page, mine.replace("add(mul(oneMinus(f), h), mul(f, n))", "ad(h, n)"));
  await eventually(() => fault(page).textContent()).toBe("Line 7: ReferenceError: ad is not defined");
  expect(await underlined(page).allTextContents()).toEqual(["ad"]);

  await writeSource(page, mine);
  await eventually(() => fault(page).textContent()).toBe("");
  expect(await page.locator(".diagram .part-gate .name").allTextContents()).toEqual(["forget", "candidate"]);
  expect(await page.locator(".diagram .loop text").allTextContents()).toEqual(["h → next time step"]);

  await press(page, "Train");
  await untilStep(page, 30);
  await press(page, "Pause");
  await page.getByRole("button", { name: "Resume" }).waitFor();
  // A network that knows nothing gives every character the same chance. What the first step said may be gone by now.
  const [, different] = /(\d+) different/.exec(await page.locator("body").innerText()) ?? [];
  expect(await figureOf(page, "Loss")).toBeLessThan(Math.log(Number(different)) - 1);

  await page.getByLabel("Beginning of the text").fill("The ");
  await page.getByLabel("Length", { exact: true }).fill("30");
  await press(page, "Write");
  await page.locator(".heat-map canvas").first().waitFor();
  const written = (await page.locator(".sample").textContent()) ?? "";
  expect(written.startsWith("The ")).toBe(true);
  expect(written).toHaveLength(4 + 30);
  const strips = await page.locator(".heat-map figcaption").allTextContents();
  expect(strips.map((text) => text.split(/gate|state/)[0])).toEqual(
    expect.arrayContaining(["forget", "candidate", "h"]),
  );

  const downloading = page.waitForEvent("download");
  await press(page, "Download the model");
  const model = await readFile(await (await downloading).path());

  await page.reload();
  await page.locator(".diagram .part-gate").first().waitFor();
  await page.getByLabel("Load a model").setInputFiles({ name: "mine.safetensors", mimeType: "", buffer: model });
  await eventually(() => page.locator(".model-files .about").textContent()).toMatch(
    /^mine\.safetensors: mine, 1 layer/,
  );
  await page.getByLabel("Length", { exact: true }).fill("20");
  await press(page, "Write");
  await eventually(() => page.locator(".heat-map canvas").count()).toBeGreaterThan(0);
  expect((await page.locator(".sample").textContent())?.length).toBe(20);
  expect(complaints).toEqual([]);
  await page.close();
});

test("what cannot be learned from ends in one line, and the page goes on", async () => {
  const { page, complaints } = await openPlayground(browser, site);
  const about = page.locator(".data .about").first();
  await eventually(() => about.textContent()).toMatch(/characters/);
  await page.getByLabel("Learn from").selectOption("own");
  const files: [name: string, buffer: Buffer, expected: RegExp][] = [
    ["one.txt", Buffer.from("a"), /nothing to learn from it$/],
    ["picture.png", Buffer.from([0x89, 0x50, 0x4e, 0x47, 0xff, 0, 0xfe, 1]), /picture\.png is no text/],
    ["long.txt", Buffer.alloc(20_000_000, "many words "), /long\.txt has 20\.0 million characters/],
    ["table.csv", Buffer.from("a,b\n1,2\nx,y\n"), /table\.csv/],
  ];
  for (const [name, buffer, expected] of files) {
    await page.getByLabel("File to learn from").setInputFiles({ name, mimeType: "", buffer });
    await eventually(() => about.textContent()).toMatch(expected);
    await press(page, "Train");
    await eventually(() => page.locator(".training-panel .problem").textContent()).toMatch(expected);
  }
  await page.getByLabel("Text or table to learn from").fill("so it goes on and on. ".repeat(200));
  await press(page, "Train");
  await eventually(() => about.textContent()).toMatch(/4,400 characters/);
  await untilStep(page, 3);
  expect(complaints).toEqual([]);
  await page.close();
});

test("a cell that does not end is stopped, has no network, and its source stays out of the device's worker", async () => {
  const { page } = await openPlayground(browser, site);
  await page.locator(".diagram").waitFor();
  await writeSource(page, mine.replace("const next", "for (;;) {}\n  const next"));
  await eventually(() => fault(page).textContent()).toBe("stopped after 1 s: the code does not end");

  const reach = `const found = await fetch("${withWebGpu}index.html").then(() => "network", () => "no network");\n`;
  await writeSource(page, `${mine}${reach}throw new Error([found, origin, typeof indexedDB, typeof document].join());`);
  await eventually(() => fault(page).textContent()).toMatch(/no network,null,(?:object|undefined),undefined$/);

  await writeSource(page, mine);
  await eventually(() => fault(page).textContent()).toBe("");
  await press(page, "Train");
  await untilStep(page, 1);
  const told = await toldWorkers(page);
  expect(told).toContain("setRuns");
  expect(told).toContain("mine/forget/kernel");
  expect(told).not.toContain("a secret remark");
  await page.close();
});

test("a link brings a cell and its settings, which run once the visitor agrees", async () => {
  const { page } = await openPlayground(browser, site);
  await page.locator(".diagram").waitFor();
  await writeSource(page, mine);
  await page.getByText("Sizes and settings").click();
  await page.getByLabel("Units").fill("24");
  await press(page, "Share");
  await eventually(() => page.url()).toMatch(/#cell=mine\.[\w-]+$/);
  const { hash } = new URL(page.url());
  await page.close();

  const { page: other, complaints } = await openPlayground(browser, site, { hash });
  await eventually(() => fault(other).textContent()).toMatch(/came by a link/);
  expect(await other.getByLabel("Source of the cell").textContent()).toContain("a secret remark");
  expect(await other.locator(".diagram").count()).toBe(0);
  await press(other, "Train");
  await eventually(() => other.locator(".problem:visible").allTextContents()).toEqual([
    expect.stringMatching(/came by a link/),
  ]);
  await press(other, "Run it");
  await other.locator(".diagram .part-gate").first().waitFor();
  await other.getByText("Sizes and settings").click();
  expect(await other.getByLabel("Units").inputValue()).toBe("24");
  await press(other, "Train");
  await untilStep(other, 1);
  expect(complaints).toEqual([]);
  await other.goto("about:blank");
  await other.close();

  const { page: damaged } = await openPlayground(browser, site, { hash: "#cell=bm90aGluZw" });
  await eventually(() => damaged.locator(".notice").textContent()).toMatch(/this link is damaged/);
  await damaged.locator(".diagram").waitFor();
  await damaged.close();
});

test("a page without WebGPU says what to do, and trains at once on the CPU, in one thread", async () => {
  const { page, complaints } = await openPlayground(browser, site, { address: withoutWebGpu });
  await eventually(() => page.locator(".notice").textContent()).toMatch(
    /secure pages.*https.*Until then the CPU computes/s,
  );
  await eventually(() => page.locator(".chip").textContent()).toBe("WebAssembly SIMD, 1 thread");
  await press(page, "Train");
  await untilStep(page, 30);
  expect(complaints).toEqual([]);
  await page.close();
});

test("a switch goes on with other devices, shows how fast each is, and refuses one that cannot", async () => {
  const { page, complaints } = await openPlayground(browser, site);
  const menu = page.getByLabel("Device", { exact: true });
  const speeds = page.locator(".speeds");
  await eventually(() => page.locator(".chip").textContent()).toMatch(/^WebAssembly SIMD, \d+ threads?$/);
  // The headers let threads share their memory.
  expect(await page.evaluate("crossOriginIsolated")).toBe(true);
  await press(page, "Train");
  await untilStep(page, 10);
  await menu.selectOption("software");
  await eventually(() => speeds.textContent()).toMatch(
    /^CPU \(WebAssembly\) [\d,]+, WebGPU in software [\d,]+ tokens\/s$/,
  );
  expect(await page.locator(".chip").textContent()).toMatch(/^SwiftShader/);
  const reached = await figureOf(page, "Step");
  expect(reached).toBeGreaterThan(10);
  await page.getByRole("tab", { name: "Compiled" }).click();
  await page.getByLabel("Pass or kernel").selectOption("k0");
  await eventually(() => page.locator(".code .cm-content").textContent()).toMatch(/fn /);

  // The network is too large for it: the device stays, and training goes on.
  await menu.selectOption("interpreter");
  await eventually(() => page.locator(".training-panel .problem").textContent()).toMatch(/takes 20000 at the most/);
  expect(await menu.inputValue()).toBe("software");
  await untilStep(page, reached + 2);
  await menu.selectOption("cpu");
  await eventually(() => page.locator(".code .cm-content").textContent()).toMatch(/\(func \$k0/);
  await untilStep(page, reached + 4);
  expect(complaints).toEqual([]);
  await page.close();
});

test("a lost device is reported, and training goes on from the kept weights", long, async () => {
  const { page } = await openPlayground(browser, site);
  await press(page, "Train");
  await untilStep(page, 5);
  await tellWorker(page, { type: "loseDevice", id: 1_000_000 });
  await page.getByRole("button", { name: "Open the device again" }).waitFor();
  expect(await page.locator(".training-panel .problem").textContent()).toMatch(/Kept: lstm from step \d+/);
  const lostAt = await figureOf(page, "Step");
  await press(page, "Open the device again");
  await page.getByRole("button", { name: "Pause" }).waitFor();
  await untilStep(page, lostAt + 1);
  await page.close();
});

test(
  "cells side by side: another joins while the first trains, both have curves, and one can be switched away",
  long,
  async () => {
    const { page, complaints } = await openPlayground(browser, site);
    await press(page, "Train");
    await untilStep(page, 2);
    await page.getByLabel("Compare with…").selectOption("rnn");
    await press(page, "Train the changes");
    await eventually(() => page.locator(".figures tbody tr").count()).toBe(2);
    await untilStep(page, 3);
    await page.getByRole("tab", { name: "Gradient flow" }).click();
    await eventually(() => page.locator(".flow-panel .legend li").allTextContents()).toEqual([
      expect.stringMatching(/^lstm: c/),
      expect.stringMatching(/^lstm: h/),
      expect.stringMatching(/^rnn: h/),
    ]);
    await page.getByRole("tab", { name: "Compiled" }).click();
    await eventually(() => page.locator(".code .cm-content").textContent()).toMatch(/graph trainingStep/);
    await page.getByLabel("Pass or kernel").selectOption("k0");
    await eventually(() => page.locator(".code .cm-content").textContent()).toMatch(/\(func \$k0/);
    const compiled = page.getByRole("tabpanel", { name: "Compiled" });
    await press(page, "Close rnn");
    await press(page, "Train the changes");
    await eventually(() => compiled.getByLabel("Run").locator("option").allTextContents()).toEqual(["lstm"]);
    // Its curve and figures stay.
    expect(await page.locator(".figures tbody tr").count()).toBe(2);
    await untilStep(page, (await figureOf(page, "Step")) + 2);
    expect(complaints).toEqual([]);
    await page.close();
  },
);

test("the gradient check tells a right cell from one whose gradient is stopped", long, async () => {
  const { page } = await openPlayground(browser, site);
  await page.locator(".diagram").waitFor();
  await page.getByRole("tab", { name: "Gradient check" }).click();
  await press(page, "Check the gradient");
  await page.getByText("The gradient of lstm is right.").waitFor();
  await writeSource(
    page,
    mine.replace("tanh }", "tanh, stopGradient }").replace("mul(f, n)", "mul(stopGradient(f), n)"),
  );
  await eventually(() => fault(page).textContent()).toBe("");
  await press(page, "Check the gradient");
  await page.getByText("is wrong.").waitFor();
  expect(await page.locator(".check-result .note").textContent()).toMatch(/^Line 7: /);
  await page.close();
});

test("the keyboard alone is enough, and a phone is wide enough", async () => {
  const { page } = await openPlayground(browser, site, { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
  await page.locator(".diagram").waitFor();
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
  // While the device opens there is nothing to press.
  await eventually(() => page.getByRole("button", { name: "Train", exact: true }).isEnabled()).toBe(true);
  const focused = () => page.evaluate("document.activeElement.textContent.trim()");
  await page.keyboard.press("Tab");
  expect(await focused()).toBe("Skip the editor");
  await page.keyboard.press("Enter");
  for (let stops = 0; (await focused()) !== "Train" && stops < 5; stops++) await page.keyboard.press("Tab");
  expect(await focused()).toBe("Train");
  await page.keyboard.press("Enter");
  await untilStep(page, 1);
  await page.getByRole("tab", { name: "Sample and gates" }).focus();
  await page.keyboard.press("ArrowRight");
  expect(await focused()).toBe("Gradient flow");
  expect(await page.getByRole("tabpanel").getAttribute("id")).toBe("panel-flow");
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
  await page.close();
});

test("the page stays at hand while a cell of 128 units trains", async () => {
  const { page } = await openPlayground(browser, site);
  await page.locator(".diagram").waitFor();
  await page.getByText("Sizes and settings").click();
  await page.getByLabel("Units").fill("128");
  await press(page, "Train");
  await untilStep(page, 3);
  const before = await figureOf(page, "Step");
  await browser.startTracing(page, { categories: ["disabled-by-default-devtools.timeline"] });
  await untilStep(page, before + 10);
  const longest = longestTask(await browser.stopTracing());
  console.log(`main thread's longest task while training: ${longest.toFixed(1)} ms of CPU time`);
  expect(longest).toBeGreaterThan(0);
  expect(longest).toBeLessThan(mostOfATask);
  await page.close();
});

/** Milliseconds that a task of the page's thread may take: a longer one is felt. */
const mostOfATask = 50;

/** Milliseconds of the CPU, which other programs cannot lengthen as they do those of the clock. */
function longestTask(trace: Buffer): number {
  const { traceEvents: events } = JSON.parse(trace.toString()) as {
    traceEvents: { name: string; pid: number; tid: number; dur?: number; tdur?: number; args: { name?: string } }[];
  };
  const main = events.find(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const tasks = events.filter(({ name, pid, tid }) => name === "RunTask" && pid === main?.pid && tid === main.tid);
  const lengths = tasks.flatMap(({ tdur }) => (tdur === undefined ? [] : [tdur / 1000]));
  // A task that the trace's beginning or end cut has no CPU time. It cannot have had more than it took by the clock, so
  // only long ones are unknown; of all the others one is enough to fail.
  const unknown = tasks.filter(
    ({ tdur, dur = Number.POSITIVE_INFINITY }) => tdur === undefined && dur / 1000 >= mostOfATask,
  );
  expect(unknown.length).toBeLessThanOrEqual(2);
  return Math.max(0, ...lengths);
}
