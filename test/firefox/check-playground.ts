/** @file The playground in a driven browser: a visitor breaks a cell, mends it, trains it and lets it write. */
import { join } from "node:path";
import type { WebGpuChoice } from "./check-webgpu.ts";
import { type DrivenBrowser, type DrivenPage, openDriven, until } from "./driven.ts";
import type { Server } from "./site.ts";

export interface PlaygroundReport {
  readonly device: string;
  readonly steps: number;
  readonly loss: number;
  readonly written: string;
  readonly faults: readonly string[];
}

const broken = `import { add, cell, dense, mul, oneMinus, sigmoid, tanh } from "cellgrad";

export default cell("mine", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const f = sigmoid(dense("forget", [h, x], units));
  const n = tanh(dense("candidate", [mul(f, h), x], units));
  const next = hidden(mul(oneMinus(f), h), mul(f, n));
  return { state: { h: next }, output: next };
});
`;
const mended = broken.replace("hidden(", "add(");

const textOf = (page: DrivenPage, selector: string) => async () =>
  `${await page.evaluate(`document.querySelector(${JSON.stringify(selector)})?.textContent ?? ""`)}`;
const contains = (text: string) => (seen: string) => seen.includes(text);
const button = (name: string) => `::-p-xpath(//button[normalize-space()="${name}"])`;

async function writeSource(page: DrivenPage, source: string): Promise<void> {
  await page.locator("[aria-label='Source of the cell']").click();
  await page.keyboard.down("Control");
  await page.keyboard.press("a");
  await page.keyboard.up("Control");
  // As one piece: what is typed gets its indentation and its closing brackets from the editor.
  await page.evaluate(`document.execCommand("insertText", false, ${JSON.stringify(source)})`);
}

/** `pictures` is a folder for screenshots; training goes on with WebGPU where `webGpu` names such a device. */
export async function checkPlayground(
  browser: DrivenBrowser,
  server: Server,
  name: string,
  pictures?: string,
  webGpu?: WebGpuChoice,
): Promise<PlaygroundReport> {
  const { page, complaints } = await openDriven(browser);
  try {
    return await visit(page, server, name, complaints, pictures, webGpu);
  } catch (error) {
    // What the page complained of may be why.
    throw new Error([error instanceof Error ? error.message : String(error), ...complaints].join("; "));
  } finally {
    await page.close();
  }
}

async function visit(
  page: DrivenPage,
  server: Server,
  name: string,
  complaints: readonly string[],
  pictures?: string,
  webGpu?: WebGpuChoice,
): Promise<PlaygroundReport> {
  const picture = (what: string) =>
    pictures === undefined ? undefined : page.screenshot({ path: join(pictures, `${name}-${what}.png`) });
  await page.setViewport({ width: 1280, height: 900 });
  await page.goto(server.address("playground"));
  const ofCpu = /^WebAssembly SIMD, \d+ threads?$/;
  // A page takes a GPU where there is one; the CPU, where WebGPU is imitated.
  const isFirst = (name: string) => (webGpu === "gpu" ? name !== "" : ofCpu.test(name));
  let device = await until(textOf(page, ".chip"), isFirst, "a device");
  await until(textOf(page, ".diagram"), contains("forget"), "the drawing of the cell");
  await writeSource(page, broken);
  await until(textOf(page, ".faults"), contains("Line 6: ReferenceError: hidden is not defined"), "the error");
  await picture("broken");
  await writeSource(page, mended);
  await until(textOf(page, ".faults"), (seen) => seen === "", "no error");
  await until(textOf(page, ".diagram"), contains("candidate"), "the drawing of the mended cell");

  await page.locator(button("Train")).click();
  const figure = (place: number) => async () =>
    Number((await textOf(page, `.figures tbody tr:first-child td:nth-child(${place})`)()).replaceAll(",", ""));
  let steps = await until(figure(2), (seen) => seen >= 30, "step 30");
  if (webGpu === "software") {
    await page.evaluate(`{
      const menu = document.querySelector("select[aria-label='Device']");
      menu.value = "software";
      menu.dispatchEvent(new Event("change"));
    }`);
    device = await until(textOf(page, ".chip"), (seen) => seen !== "" && !ofCpu.test(seen), "a device of WebGPU");
    steps = await until(figure(2), (seen) => seen >= steps + 10, "ten steps with WebGPU");
  }
  await picture("training");
  await page.locator(button("Pause")).click();
  const loss = await figure(3)();
  const about = await textOf(page, "body")();
  await page.locator(button("Write")).click();
  const written = await until(textOf(page, ".sample"), (seen) => seen.length > 20, "a text that it writes");
  await picture("written");

  const different = Number(/(\d+) different/.exec(about)?.[1]);
  const faults = [...complaints];
  if (!(loss < Math.log(different) - 1)) faults.push(`it has learned nothing: a loss of ${loss} after ${steps} steps`);
  return { device, steps, loss, written, faults };
}
