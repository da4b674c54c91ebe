/**
 * @file A browser whose GPU process dies during training: the page reports it in one line and continues.
 *
 * @module-tag slow
 */
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser } from "../support/browser.ts";
import { bundle, openPage } from "../support/page.ts";
import type { story } from "./surviving-page.ts";

let browser: Browser;

beforeAll(async () => {
  browser = await launchBrowser();
});

afterAll(() => browser.close());

/** Kills the browser's GPU process; the browser starts another. */
async function killGpuProcess(): Promise<void> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const [gpu] = processInfo.filter(({ type }) => type === "GPU");
  if (gpu === undefined) throw new Error("the browser has no GPU process");
  process.kill(gpu.id, "SIGKILL");
}

test("training continues from the saved weights", async () => {
  const page = await openPage(browser, await bundle(fileURLToPath(new URL("surviving-page.ts", import.meta.url))));
  await page.waitForFunction("globalThis.story.steps > 0");
  await killGpuProcess();
  await page.waitForFunction("globalThis.story.resumed.length > 0 || globalThis.story.errors.length > 1");
  const { errors, told, kept, resumed } = (await page.evaluate("globalThis.story")) as typeof story;
  const line =
    /^the device SwiftShader \(software\) was lost: [^.;\n]+; open a new one and continue from the last saved weights$/;
  expect(told).toEqual([expect.stringMatching(line)]);
  expect(errors).toEqual([`DeviceLostError: ${told[0]}`]);
  expect(resumed).toEqual(kept);
});
