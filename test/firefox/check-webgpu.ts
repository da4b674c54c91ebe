/** @file WebGPU in a driven browser: a page trains on it, and so does the playground once a visitor chooses it. */
import { call, difference, steps } from "./check-pages.ts";
import { type DrivenBrowser, openDriven, until } from "./driven.ts";
import type { Server } from "./site.ts";

/** In f32, of losses of about 3 that were summed over 768 characters. */
const tolerance = 1e-5;

/** The device to ask for; undefined where the browser offers no adapter. */
export type WebGpuChoice = "gpu" | "software" | undefined;

export interface WebGpuReport {
  readonly choice: WebGpuChoice;
  readonly device: string;
  readonly losses: readonly number[];
  readonly faults: readonly string[];
}

const adapterOfPage = `(async () => {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return "none";
  return adapter.info.isFallbackAdapter ? "software" : "gpu";
})()`;

/** Trains in a page. `reference` has the first losses of the interpreter. */
export async function checkWebGpu(
  browser: DrivenBrowser,
  server: Server,
  reference: readonly number[],
): Promise<WebGpuReport> {
  const { page, complaints } = await openDriven(browser);
  try {
    await page.goto(server.address(0));
    await until(
      () => page.evaluate("'jobs' in globalThis"),
      (isThere) => isThere === true,
      "the page's script",
    );
    const found = await page.evaluate(adapterOfPage);
    if (found !== "gpu" && found !== "software") return { choice: undefined, device: "", losses: [], faults: [] };
    const { name, kind } = await call(page, "open", found);
    const losses = await call(page, "train", steps);
    await page.evaluate("jobs.destroy()");
    const faults = [...complaints];
    if (kind !== found) faults.push(`the device is of kind ${kind}, not ${found}`);
    if (losses.length !== steps) faults.push(`${losses.length} losses instead of ${steps}`);
    const off = difference(losses, reference);
    if (!(off <= tolerance)) faults.push(`losses are ${off.toExponential(1)} off the interpreter's`);
    return { choice: found, device: name, losses, faults };
  } finally {
    await page.close();
  }
}
