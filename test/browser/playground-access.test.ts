/**
 * @file Every view of the playground under axe-core, in light and dark, on a wide screen and on a phone.
 *
 * @module-tag slow
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
import { launchBrowser } from "../support/browser.ts";
import { buildPlayground, figureOf, openPlayground, type Site, writeSource } from "../support/playground.ts";
import { someOf } from "../support/some-of.ts";

let site: Site;
let browser: Browser;
let axe: string;

beforeAll(async () => {
  const path = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
  [site, browser, axe] = await Promise.all([buildPlayground(), launchBrowser(), readFile(path, "utf8")]);
});

afterAll(() => browser?.close());

const eventually = <T>(look: () => T | Promise<T>) => expect.poll(look);
const press = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true }).click();
const tab = (page: Page, name: string) => page.getByRole("tab", { name }).click();

/** Each finding as its rule, the element and why. */
async function findings(page: Page): Promise<string[]> {
  // What moves or fades is half as dark on its way; a cursor blinks for good.
  await page.evaluate(`Promise.allSettled(
    document.getAnimations().filter(({ effect }) => effect.getComputedTiming().endTime < 1e5).map(({ finished }) => finished),
  )`);
  const { violations } = (await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")) as AxeResults;
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary = "" }) => `${id}: ${html.slice(0, 120)} ${failureSummary.slice(0, 200)}`),
  );
}

/** Controls that a finger cannot hit: WCAG 2.2, criterion 2.5.8 asks for 24 pixels each way. */
const smallTargets = `[...document.querySelectorAll("button, select, input, summary, a, [role=tab]")]
  .map((one) => [one, (one.closest("label") ?? one).getBoundingClientRect()])
  .filter(([one, { width, height }]) => width > 1 && height > 1 && (width < 24 || height < 24) && !one.classList.contains("skip"))
  .map(([one, { width, height }]) => one.outerHTML.slice(0, 80) + " " + width + " x " + height)`;

/** Views, each from the one before it. */
const views: readonly [name: string, go: (page: Page) => Promise<unknown>][] = [
  ["the first look", (page) => page.locator(".formula .katex").waitFor()],
  [
    "a fault in the source",
    async (page) => {
      await writeSource(page, "export default 1;");
      await eventually(() => page.locator(".faults").textContent()).toMatch(/exports no cell/);
    },
  ],
  ["the gallery", (page) => press(page, "Examples")],
  [
    "an example opened",
    async (page) => {
      await page.locator("button.example", { hasText: "Add two numbers" }).click();
      await page.locator(".diagram .part-gate").first().waitFor();
      await eventually(() => page.locator(".faults").textContent()).toBe("");
    },
  ],
  [
    "training",
    async (page) => {
      await press(page, "Train");
      await eventually(() => figureOf(page, "Step")).toBeGreaterThan(0);
      await press(page, "Pause");
      await page.locator(".curves canvas").first().waitFor();
    },
  ],
  ["settings", (page) => page.getByText("Sizes and settings").click()],
  [
    "answers and gates",
    async (page) => {
      await press(page, "Write");
      await page.locator(".heat-map canvas").first().waitFor();
    },
  ],
  [
    "gradient flow",
    async (page) => {
      await tab(page, "Gradient flow");
      await page.getByLabel("Curves of the plot").locator("li").first().waitFor();
    },
  ],
  [
    "compiled",
    async (page) => {
      await tab(page, "Compiled");
      await eventually(() => page.locator(".code .cm-content").textContent()).toMatch(/graph/);
    },
  ],
  [
    "gradient check",
    async (page) => {
      await tab(page, "Gradient check");
      await press(page, "Check the gradient");
      await page.getByText(/The gradient of lstm is right/).waitFor();
    },
  ],
  ["text of one's own", (page) => page.getByLabel("Learn from").selectOption("own")],
];

const wide = { width: 1440, height: 900 };
const phone = { width: 390, height: 844 };
type Screen = readonly [colorScheme: "light" | "dark", viewport: typeof wide];

/** The first is the one that the page is opened on. */
const pairsOfScreens: readonly (readonly [Screen, Screen])[] = [
  [
    ["light", wide],
    ["dark", phone],
  ],
  [
    ["light", phone],
    ["dark", wide],
  ],
];

someOf(pairsOfScreens, (_, i) => i === 0)(
  "every view has nothing that axe-core finds, and fits: %j, %j",
  async (...screens) => {
    const [[colorScheme, viewport]] = screens;
    const { page } = await openPlayground(browser, site, { colorScheme, viewport });
    // Past the page's policy, as an extension of the browser would be.
    await page.evaluate(axe);
    const found: string[] = [];
    for (const [name, go] of views) {
      await go(page);
      for (const [colorScheme, viewport] of screens) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize(viewport);
        const small = viewport === phone ? ((await page.evaluate(smallTargets)) as string[]) : [];
        const width = await page.evaluate("document.documentElement.scrollWidth");
        const tooWide = width === viewport.width ? [] : [`the page is ${width} pixels wide`];
        const lines = [...(await findings(page)), ...small, ...tooWide];
        found.push(...lines.map((line) => `${name}, ${colorScheme}, ${viewport.width} px: ${line}`));
      }
    }
    expect(found).toEqual([]);
    await page.close();
  },
);
