/**
 * @file `npm run test:firefox`: pages in Firefox and in the packaged Chromium train on the CPU, and Firefox also on WebGPU,
 * with the two preferences that enable it on Linux. Prints the results; the exit code is 1 if a check fails. puppeteer-core
 * drives Firefox over WebDriver BiDi.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { createJiti } from "jiti";

const root = fileURLToPath(new URL("..", import.meta.url));
const options = new Command("npm run test:firefox --")
  .description("Trains in pages: on the CPU in Firefox and in Chromium, and on WebGPU in Firefox.")
  .addOption(new Option("--only <browser>", "only this browser").choices(["firefox", "chromium"]))
  .option("--firefox <file>", "the Firefox program (default: the one in PATH)")
  .option("--pictures <folder>", "write screenshots of the playground to this folder")
  .addHelpText("after", "\nExample:\n  npm run test:firefox -- --only firefox --pictures /tmp/pictures")
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "firefox: ").replace(/\s*\n\s*(?=\S)/g, " ")),
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()
  .opts();

if (options.firefox !== undefined && !existsSync(options.firefox)) {
  console.error(`firefox: no such file: ${options.firefox}`);
  process.exit(2);
}

const jiti = createJiti(import.meta.url, { alias: { cellgrad: join(root, "index.ts") } });
const { findFirefox, launchFirefox, loadPuppeteer, webGpuPreferences } =
  await jiti.import("../test/support/firefox.ts");
const wanted = options.only === undefined ? ["firefox", "chromium"] : [options.only];
const firefox = wanted.includes("firefox") ? (options.firefox ?? findFirefox()) : undefined;
if (wanted.includes("firefox") && firefox === undefined) {
  console.log("Firefox: not run: it is not installed (Debian: firefox-esr); --firefox FILE names another program");
  if (wanted.length === 1) process.exit(0);
}

const puppeteer = await loadPuppeteer(root);
const { openDevice, openInterpreter } = await jiti.import("../index.ts");
const { hasRelaxedMadd } = await jiti.import("../wasm/features.ts");
const { checkPages, difference, feltSteps, steps } = await jiti.import("../test/firefox/check-pages.ts");
const { checkPlayground } = await jiti.import("../test/firefox/check-playground.ts");
const { checkWebGpu } = await jiti.import("../test/firefox/check-webgpu.ts");
const { serveSite } = await jiti.import("../test/firefox/site.ts");
const { large, small, trainSteps } = await jiti.import("../test/firefox/training.ts");
const { unpackChromium } = await jiti.import("../test/support/chromium.ts");
const { bundle } = await jiti.import("../test/support/page.ts");
const { patience } = await jiti.import("../test/support/patience.ts");
const { buildPlayground } = await jiti.import("../test/support/playground.ts");

const timeouts = { timeout: patience, protocolTimeout: patience };
// In the C locale, Chromium reports a language that its own functions reject.
const english = { LC_ALL: "en_US.UTF-8", LANGUAGE: "en_US" };
const launch = {
  firefox: () => launchFirefox(puppeteer, resolve(firefox)),
  chromium: async () => {
    const { executable, env } = await unpackChromium();
    return puppeteer.launch({
      executablePath: executable,
      args: ["--no-sandbox"],
      env: { ...env, ...english },
      ...timeouts,
    });
  },
};

if (options.pictures !== undefined) mkdirSync(options.pictures, { recursive: true });
const node = await openDevice({ device: "cpu" });
const inNode = { where: "Node", losses: await trainSteps(node, small, steps) };
const reference = {
  interpreter: await trainSteps(openInterpreter(), small, 2),
  seen: new Map([[hasRelaxedMadd(), inNode]]),
};
node.destroy();
const server = await serveSite(await bundle(join(root, "test/firefox/page.ts")), await buildPlayground());

const faults = [];
const rows = [];
for (const name of ["firefox", "chromium"]) {
  if (!wanted.includes(name) || (name === "firefox" && firefox === undefined)) continue;
  const browser = await launch[name]();
  try {
    const version = await browser.version();
    const reports = await checkPages(browser, server, version, reference);
    for (const { kind, opened, losses, felt, workers, left, faults: found } of reports) {
      faults.push(...found.map((fault) => `${version}, ${kind}: ${fault}`));
      rows.push({
        browser: version,
        page: kind,
        device: opened.name,
        WebGPU: opened.hasWebGpu,
        fused: opened.isFused,
        "ms a step": Math.round(felt.milliseconds / feltSteps),
        ticks: felt.ticks,
        "longest gap (ms)": Math.round(felt.longestGap),
        workers,
        left,
        "off float64": difference(losses, reference.interpreter).toExponential(1),
        "off Node": difference(losses, inNode.losses).toExponential(1),
      });
    }
    const played = await checkPlayground(browser, server, name, options.pictures);
    faults.push(...played.faults.map((fault) => `${version}, playground: ${fault}`));
    console.log(`${version}, playground: ${played.device}; loss ${played.loss} after ${played.steps} steps`);
  } catch (error) {
    faults.push(`${name}: ${error instanceof Error ? error.message : error}`);
  } finally {
    await browser.close();
  }
}
if (firefox !== undefined) {
  const browser = await launchFirefox(puppeteer, resolve(firefox), webGpuPreferences);
  try {
    const version = await browser.version();
    const { choice, device, losses, faults: found } = await checkWebGpu(browser, server, reference.interpreter);
    faults.push(...found.map((fault) => `${version}, WebGPU: ${fault}`));
    if (choice === undefined) {
      console.log(`${version}, WebGPU: not run: it offers no adapter (Debian: mesa-vulkan-drivers)`);
    } else {
      const off = difference(losses, reference.interpreter).toExponential(1);
      console.log(`${version}, WebGPU: ${device}; losses ${off} off float64`);
      const played = await checkPlayground(browser, server, "firefox-webgpu", options.pictures, choice);
      faults.push(...played.faults.map((fault) => `${version}, WebGPU, playground: ${fault}`));
      console.log(`${version}, WebGPU, playground: ${played.device}; loss ${played.loss} after ${played.steps} steps`);
    }
  } catch (error) {
    faults.push(`firefox with WebGPU: ${error instanceof Error ? error.message : error}`);
  } finally {
    await browser.close();
  }
}
server.close();
const describe = ({ units, batch, time }) => `an LSTM of ${units} units, ${batch} rows of ${time} characters`;
console.log(`Losses: ${steps} steps of ${describe(small)}. Time and ticks: ${feltSteps} steps of ${describe(large)}.`);
console.log(`Node ${process.versions.node}, fused: ${hasRelaxedMadd()}`);
console.table(rows);
for (const fault of faults) console.error(`firefox: ${fault}`);
console.log(faults.length === 0 ? "firefox: all checks passed" : "firefox: failed");
process.exitCode = faults.length === 0 ? 0 : 1;
