/**
 * @file The same training in every host: Node, Deno and headless Chromium on SwiftShader; Deno on lavapipe, Firefox and Bun
 * if installed. Each compiles every kernel of the built-in cells, loses its device during a step, and continues from the
 * saved weights.
 *
 * @module-tag slow
 */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openInterpreter } from "../../index.ts";
import { page as docPage } from "../docs/pages.ts";
import { openDriven } from "../firefox/driven.ts";
import { serveSite } from "../firefox/site.ts";
import { launchBrowser } from "../support/browser.ts";
import { deno } from "../support/deno.ts";
import { findFirefox, launchFirefox, loadPuppeteer, webGpuPreferences } from "../support/firefox.ts";
import { bundle, openPage } from "../support/page.ts";
import { programsOf, standardCells } from "../support/standard-programs.ts";
import { type HostReport, type Shader, trainTwentySteps, work } from "./job.ts";
import type { page } from "./page.ts";
import { agreements, differences } from "./shader-differences.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const emitted = emittedShaders();
const shaders: readonly Shader[] = [
  ...emitted,
  ...differences.map(({ name, wgsl }) => ({ name, wgsl })),
  ...Object.entries(agreements).map(([name, wgsl]) => ({ name, wgsl })),
];

/** Every text once. */
function emittedShaders(): Shader[] {
  const kernels = standardCells.flatMap((cell) =>
    programsOf(cell).flatMap((program) =>
      program.kernels.map(({ name, wgsl }) => [wgsl, `${cell.cellName}: ${name}`] as const),
    ),
  );
  return [...new Map(kernels)].map(([wgsl, name], i) => ({ name: `${i} ${name}`, wgsl }));
}

const folder = mkdtempSync(join(tmpdir(), "cellgrad-hosts-"));
let browser: Browser;
let reference: readonly number[];

beforeAll(async () => {
  writeFileSync(join(folder, "shaders.json"), JSON.stringify(shaders));
  browser = await launchBrowser();
  reference = (await trainTwentySteps(openInterpreter())).losses;
});

afterAll(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

function inDeno(env: Record<string, string>): Promise<HostReport> {
  const args = ["run", "-A", "--no-remote", here("deno.ts"), "work", join(folder, "shaders.json")];
  return deno(args, { env }).then((output) => JSON.parse(output) as HostReport);
}

async function inChromium(): Promise<HostReport> {
  const opened = await openPage(browser, await bundle(here("page.ts")));
  return opened.evaluate((given) => (globalThis as unknown as typeof page).work(given), shaders);
}

/** Bun is not a dependency: its package contains half a gigabyte of programs for all platforms. */
const bunProgram = (process.env.PATH ?? "")
  .split(":")
  .map((folder) => join(folder, "bun"))
  .find(existsSync);

async function inBun(): Promise<HostReport> {
  const args = [here("deno.ts"), "work", join(folder, "shaders.json")];
  const { stdout } = await promisify(execFile)(bunProgram ?? "", args, { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout) as HostReport;
}

/** With WebGPU enabled by preferences, as Firefox requires on Linux. */
const firefox = findFirefox();

async function inFirefox(): Promise<HostReport> {
  const puppeteer = await loadPuppeteer(here("../.."));
  const server = await serveSite(await bundle(here("page.ts")), new Map());
  const launched = await launchFirefox(puppeteer, firefox ?? "", webGpuPreferences);
  try {
    const { page: opened } = await openDriven(launched);
    await opened.goto(server.address(0));
    const found = await opened.evaluate(`work(${JSON.stringify(shaders)})`);
    return found as HostReport;
  } finally {
    await launched.close();
    server.close();
  }
}

/** Debian's manifest of lavapipe, Mesa's driver that runs on the CPU. */
const lavapipe = ["/usr/share/vulkan/icd.d/lvp_icd.x86_64.json", "/usr/share/vulkan/icd.d/lvp_icd.json"].find(
  existsSync,
);

const hosts = [
  { name: "Node", compiler: "Dawn", adapter: undefined, report: () => work(shaders) },
  { name: "Chromium on SwiftShader", compiler: "Dawn", adapter: /SwiftShader/, report: inChromium },
  {
    name: "Deno on SwiftShader",
    compiler: "wgpu",
    adapter: /SwiftShader/,
    report: () => inDeno({ XDG_DATA_DIRS: folder }),
  },
  {
    name: "Deno on lavapipe",
    compiler: "wgpu",
    adapter: /llvmpipe/,
    report: () => inDeno({ VK_DRIVER_FILES: lavapipe ?? "", VK_ICD_FILENAMES: lavapipe ?? "" }),
    notRun: lavapipe === undefined ? "lavapipe is not installed (Debian: mesa-vulkan-drivers)" : undefined,
  },
  {
    ...{ name: "Firefox", compiler: "wgpu", adapter: undefined, report: inFirefox },
    notRun: firefox === undefined ? "it is not installed (Debian: firefox-esr)" : undefined,
  },
  {
    ...{ name: "Bun", compiler: "Dawn", adapter: undefined, report: inBun },
    notRun: bunProgram === undefined ? "there is no bun in PATH" : undefined,
  },
];

describe.each(hosts)("$name", ({ name, compiler, adapter, report, notRun }) => {
  if (notRun !== undefined) {
    test("not run", () => {
      console.log(`${name}: not run: ${notRun}`);
      expect({ Bun: bunProgram, Firefox: firefox, "Deno on lavapipe": lavapipe }[name]).toBeUndefined();
    });
    return;
  }

  let found: HostReport;
  beforeAll(async () => {
    found = await report();
  });

  test("trains like the interpreter, to 1e-4 over 20 steps", () => {
    if (adapter !== undefined) expect(found.device).toMatch(adapter);
    expect(found.losses).toHaveLength(20);
    const worst = Math.max(...reference.map((loss, i) => Math.abs(loss - (found.losses[i] ?? Number.NaN))));
    console.log(`${name}: ${found.device}; largest difference of a loss ${worst.toExponential(1)}`);
    expect(worst).toBeLessThan(1e-4);
    expect(reference.at(-1)).toBeLessThan(0.8 * (reference[0] ?? 0));
  });

  test("initializes the same weights, bit for bit", () => {
    expect(found.weights.toString(16)).toBe("c82b8736");
  });

  test("computes on a device of another owner, and leaves it to them", () => {
    expect(found.shared).toEqual({ run: [10, 1, 2, 3, 4], left: [14, 5, 2, 3, 4], heard: 0 });
  });

  test("accepts empty arrays", () => {
    expect(found.sumsOfNone).toEqual([0, 0]);
  });

  test("a lost device gives one clear error, and training continues from the saved weights", () => {
    const line = `the device ${found.device} was lost: it was destroyed; open a new one and continue from the last saved weights`;
    expect(found.afterLoss.told).toBe(line);
    expect(found.afterLoss.nextStep).toBe(line);
    expect(found.afterLoss.pending.filter((outcome) => outcome !== "finished" && outcome !== line)).toEqual([]);
    expect(found.afterLoss.pending.at(-1)).toBe(line);
    expect(found.heldOutOnNewDevice).toBe(found.heldOut);
  });

  test("Dawn's adapters provide one device, and reject a second request", () => {
    expect(found.secondDevice).toMatch(
      compiler === "Dawn" ? /^DeviceUnavailableError: .* provides no device \(.*\)\. Close .*$/ : /^a device$/,
    );
  });

  test("compiles every emitted kernel", () => {
    const refused = emitted.filter(
      ({ name, wgsl }) => found.refused[name] !== undefined && !wgsl.includes("enable sub"),
    );
    expect(refused.map(({ name }) => `${name}: ${found.refused[name]}`)).toEqual([]);
    // Kernels for subgroups are emitted only for devices that have them.
    const withSubgroups = emitted.filter(({ wgsl }) => wgsl.includes("enable subgroups;"));
    expect(withSubgroups.length).toBeGreaterThan(0);
    for (const kernel of withSubgroups) expect(found.refused[kernel.name] === undefined).toBe(found.subgroups);
  });

  test("accepts and rejects the shaders that docs/hosts.md lists", () => {
    expect("taken" in found.refused).toBe(false);
    expect("refused" in found.refused).toBe(true);
    const taken = differences.filter((difference) => found.refused[difference.name] === undefined);
    expect(taken.map((difference) => difference.name)).toEqual(
      differences
        .filter(
          ({ takenBy, isRefusedByFirefox }) => takenBy === compiler && !(name === "Firefox" && isRefusedByFirefox),
        )
        .map((difference) => difference.name),
    );
  });
});

test("a Worker of a page finds the same device", async () => {
  const script = await bundle(here("page.ts"));
  const roles = `if (globalThis.document) {
    new Worker("/page.js", { type: "module" }).onmessage = ({ data }) => document.body.append(data);
  } else postMessage(await globalThis.findAdapter("auto"));`;
  const opened = await openPage(browser, `${script}\n${roles}`);
  await opened.waitForFunction("document.body.textContent !== ''");
  expect(await opened.textContent("body")).toBe("SwiftShader (software)");
});

test("docs/hosts.md lists the differences", () => {
  const rows = [...docPage("docs/hosts.md").matchAll(/^\| (.*?) \| (yes|no) \| (yes|no) \|/gm)];
  const ofFirefox = [...docPage("docs/hosts.md").matchAll(/^\| ([^|]*) \|.*Firefox 153 refuses it too/gm)];
  expect(ofFirefox.map(([, name]) => name)).toEqual(
    differences.flatMap(({ name, isRefusedByFirefox }) => (isRefusedByFirefox ? [name] : [])),
  );
  expect(rows.map(([, name, dawn, wgpu]) => ({ name, dawn, wgpu }))).toEqual(
    differences.map(({ name, takenBy }) => ({
      name,
      dawn: takenBy === "Dawn" ? "yes" : "no",
      wgpu: takenBy === "wgpu" ? "yes" : "no",
    })),
  );
});
