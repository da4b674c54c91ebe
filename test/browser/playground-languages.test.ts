/**
 * @file The playground in browsers that name their language as Intl does not take it.
 *
 * @module-tag slow
 */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "../support/browser.ts";
import { buildPlayground, openPlayground, type Site } from "../support/playground.ts";
import { someOf } from "../support/some-of.ts";

let site: Site;
let browser: Browser;

beforeAll(async () => {
  const language = { LANG: "C", LC_ALL: "C", LANGUAGE: "" };
  [site, browser] = await Promise.all([buildPlayground(), launchBrowser(undefined, language)]);
});

afterAll(() => browser?.close());

test("a browser started with LANG=C shows the page", async () => {
  const { page, complaints } = await openPlayground(browser, site);
  await page.locator(".diagram .part-gate").first().waitFor();
  expect(await page.evaluate("new Intl.NumberFormat(navigator.language).format(1)")).toBe("1");
  expect(complaints).toEqual([]);
  await page.close();
});

someOf(["en-US@posix", "C", "de_DE.UTF-8", "", "x-"], (language) => language === "en-US@posix")(
  "so does one whose language is %j",
  async (language) => {
    const { page, complaints } = await openPlayground(browser, site, { language });
    await page.locator(".diagram .part-gate").first().waitFor();
    await page.getByRole("button", { name: "Train", exact: true }).click();
    await page.locator(".plot canvas").first().waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  },
);
