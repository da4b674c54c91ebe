/** @file What the playground shows, in Chromium: equations, legends, examples, messages; for everyone, on any screen. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "../support/browser.ts";
import { buildPlayground, openPlayground, type Site, writeSource } from "../support/playground.ts";

let site: Site;
let browser: Browser;

beforeAll(async () => {
  [site, browser] = await Promise.all([buildPlayground(), launchBrowser()]);
});

afterAll(() => browser?.close());

const mine = `import { add, cell, dense, mul, oneMinus, sigmoid, tanh } from "cellgrad";

export default cell("mine", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const f = sigmoid(dense("forget", [h, x], units));
  const n = tanh(dense("candidate", [mul(f, h), x], units));
  const next = add(mul(oneMinus(f), h), mul(f, n));
  return { state: { h: next }, output: next };
});
`;

/** What comes to hold, though a busy machine takes its time. */
const eventually = <T>(look: () => T | Promise<T>) => expect.poll(look);

test("the cell's equations are typeset beside the drawing, in its gates' colours, and follow what is typed", async () => {
  const { page, complaints } = await openPlayground(browser, site);
  const tex = page.locator(".formula annotation");
  await eventually(() => tex.textContent()).toContain("\\circ \\tanh(c_t)");
  await writeSource(page, mine);
  await eventually(() => tex.textContent()).toMatch(
    /U_\{\\mathrm\{forget\}\} h_\{t-1\} \+ W_\{\\mathrm\{forget\}\} x_t/,
  );
  const inks = (place: string) =>
    page.locator(`${place} [style*="color: color-mix"]`).evaluateAll((all) => all.map((one) => one.textContent));
  const gates = ["forget", "candidate", "forget", "forget", "forget", "candidate"];
  expect(await inks(".formula .katex-html")).toEqual(gates.map((name) => expect.stringContaining(name)));
  // Its letters are there: the page's policy lets its own fonts load.
  expect(await page.evaluate("document.fonts.check('16px KaTeX_Math')")).toBe(true);
  await writeSource(page, mine.replace("mul(f, n)", "mul(f, "));
  await eventually(() => page.locator(".equations").getAttribute("class")).toContain("outdated");
  expect(complaints).toEqual([]);
  await page.close();
});
