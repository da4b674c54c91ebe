/**
 * @file `npm run soak`: trains for a long time and creates and destroys trainers; fails if memory of the device or process
 * grows, or if steps become slower. Compares the second fifth of the run, after warm-up, with the last.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Command, InvalidArgumentError, Option } from "commander";
import { createJiti } from "jiti";

setFlagsFromString("--expose-gc");
globalThis.gc = runInNewContext("gc");

const root = fileURLToPath(new URL("..", import.meta.url));
const jiti = createJiti(import.meta.url, { alias: { cellgrad: join(root, "index.ts") } });

const whole = (text) => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError("It must be a whole number.");
  return value;
};
const options = new Command("npm run soak --")
  .description("Checks that long training neither grows nor slows down, and that trainers leak nothing.")
  .option("--steps <n>", "training steps; 0 for none", whole, 20_000)
  .option("--cycles <n>", "trainers to create, train and destroy; 0 for none", whole, 1_000)
  .addOption(
    new Option("--device <device>", "device to train on").choices(["auto", "gpu", "cpu", "software"]).default("auto"),
  )
  .addHelpText("after", "\nExample:\n  npm run soak -- --steps 2000 --cycles 50")
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "soak: ").replace(/\s*\n\s*(?=\S)/g, " ")),
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()
  .opts();

const { openDevice } = await jiti.import("../devices/open-device.ts");
const { soakCycles, soakSteps, quantile } = await jiti.import("../test/trust/soak.ts");

/** Allowed growth of the process, in bytes: more is not noise of the heap. */
const heapNoise = 8 * 2 ** 20;
const residentNoise = 64 * 2 ** 20;
/** Allowed slowdown factor at the end; on busy machines, times vary as much. */
const slower = 1.3;
const samples = 20;

const device = await openDevice({ device: options.device }).catch((error) => {
  console.error(`soak: ${error.message}`);
  process.exit(2);
});
const faults = [];
const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

const show = (what) => (sample) =>
  console.log(
    `${what} ${sample.done}: ${sample.buffers} buffers, ${mebibytes(sample.deviceBytes)} on the device, heap ${mebibytes(sample.heapBytes)}, resident ${mebibytes(sample.residentBytes)}, ${sample.millisecondsEach.toFixed(2)} ms each`,
  );

const middle = (values) => quantile(values, 0.5);

/** Compares the second fifth with the last. */
function judge(what, found) {
  const fifth = Math.max(1, Math.floor(found.length / 5));
  const [early, late] = [found.slice(fifth, 2 * fifth), found.slice(-fifth)];
  const growth = (key) => middle(late.map((sample) => sample[key])) - middle(early.map((sample) => sample[key]));
  const fail = (text) => faults.push(`${what}: ${text}`);
  if (growth("buffers") !== 0) fail(`${growth("buffers")} buffers more`);
  if (growth("deviceBytes") !== 0) fail(`${mebibytes(growth("deviceBytes"))} more on the device`);
  if (growth("heapBytes") > heapNoise) fail(`the heap grew by ${mebibytes(growth("heapBytes"))}`);
  if (growth("residentBytes") > residentNoise) fail(`the process grew by ${mebibytes(growth("residentBytes"))}`);
  const ratio = middle(late.map((s) => s.millisecondsEach)) / middle(early.map((s) => s.millisecondsEach));
  if (ratio > slower) fail(`${ratio.toFixed(2)} times slower`);
  console.log(
    `${what}: heap ${mebibytes(growth("heapBytes"))}, resident ${mebibytes(growth("residentBytes"))} from the second fifth to the last; times ${ratio.toFixed(2)}`,
  );
}

if (options.steps > 0) {
  const count = options.steps;
  judge("steps", await soakSteps(device, { count, samples: Math.min(samples, count), onSample: show("step") }));
}
if (options.cycles > 0) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  device.trim();
  const before = device.memory();
  const count = options.cycles;
  const found = await soakCycles(device, { count, samples: Math.min(samples, count), onSample: show("cycle") });
  judge("cycles", found);
  const left = found.at(-1).buffers - before.buffers;
  if (left !== 0) faults.push(`cycles: ${left} buffers leaked`);
}

device.destroy();
for (const fault of faults) console.error(`soak: ${fault}`);
console.log(faults.length === 0 ? "soak: nothing grew" : "soak: failed");
process.exit(faults.length === 0 ? 0 : 1);
