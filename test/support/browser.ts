/** @file Starts the packaged Chromium under Playwright, which no system package is needed for either. */
import { type Browser, chromium } from "playwright-core";
import { noWorkgroupInit, unpackChromium, webGpuFlags } from "./chromium.ts";

/** `flags` are those of a browser with WebGPU on SwiftShader unless others are given. */
export async function launchBrowser(flags: readonly string[] = [...webGpuFlags, noWorkgroupInit]): Promise<Browser> {
  const { executable, env } = await unpackChromium();
  return chromium.launch({ executablePath: executable, args: [...flags], chromiumSandbox: false, env });
}
