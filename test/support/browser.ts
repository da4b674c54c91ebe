/** @file Starts the packaged Chromium under Playwright, which no system package is needed for either. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { noWorkgroupInit, unpackChromium, webGpuFlags } from "./chromium.ts";
import { patience } from "./patience.ts";

/**
 * `flags` are those of a browser with WebGPU on SwiftShader unless others are given; `variables` are set in its
 * environment, such as LANG, from which it takes its language.
 */
export async function launchBrowser(
  flags: readonly string[] = [...webGpuFlags, noWorkgroupInit],
  variables: Readonly<Record<string, string>> = {},
): Promise<Browser> {
  const { executable, env } = await unpackChromium();
  return chromium.launch({
    ...{ executablePath: executable, args: [...flags], chromiumSandbox: false, timeout: patience },
    env: { ...env, ...variables },
  });
}

/** A page that is waited for as long as anything is. */
export async function newPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
  const page = await browser.newPage(options);
  page.setDefaultTimeout(patience);
  return page;
}
