/**
 * @file `npm run ulp`: measures the errors of math functions in units in the last place (ulp), over f32 bit patterns, in one
 * host or in all. Prints the rows of the table in docs/trust.md.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { createJiti } from "jiti";

const root = fileURLToPath(new URL("..", import.meta.url));
const jiti = createJiti(import.meta.url, { alias: { cellgrad: join(root, "index.ts") } });
const { hostNames } = await jiti.import("../test/fuzz/protocol.ts");

const whole = (least) => (text) => {
  const value = Number(text);
  if (!(/^\d+$/.test(text) && value >= least && value < 2 ** 32))
    throw new InvalidArgumentError(`It must be a whole number from ${least} on, below 2^32.`);
  return value;
};
const options = new Command("npm run ulp --")
  .description("Measures the largest error of every math function on a device, in f32 units in the last place (ulp).")
  .addOption(new Option("--host <host>", "host of the device").choices([...hostNames, "all"]).default("all"))
  .option("--stride <n>", "test every n-th of the 2^32 numbers; 1 tests all, which takes hours", whole(1), 4099)
  .option("--first <n>", "index of the first number", whole(0), 0)
  .addOption(
    new Option("--device <device>", "device to measure").choices(["gpu", "cpu", "software"]).default("software"),
  )
  .option("--only <name...>", "only these functions")
  .addHelpText("after", "\nExample:\n  npm run ulp -- --host node --stride 101")
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "ulp: ").replace(/\s*\n\s*(?=\S)/g, " ")),
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()
  .opts();

const { measuredFunctions } = await jiti.import("../test/numbers/functions.ts");
const { measureIn } = await jiti.import("../test/numbers/hosts.ts");

const { stride, first, only = Object.keys(measuredFunctions) } = options;
const unknown = only.find((name) => !Object.hasOwn(measuredFunctions, name));
if (unknown !== undefined) {
  console.error(`ulp: unknown function ${unknown}; the functions are ${Object.keys(measuredFunctions).join(", ")}`);
  process.exit(2);
}
const hosts = options.host === "all" ? hostNames : [options.host];
const reportEvery = 10_000;

// Hosts end with this process.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

const found = [];
for (const host of hosts) {
  let reported = performance.now();
  const report = (done) => {
    if (performance.now() - reported < reportEvery) return;
    reported = performance.now();
    console.log(`${host}: ${(100 * done).toFixed(1)} %`);
  };
  try {
    const { measured } = await measureIn(host, { device: options.device, only, sweep: { stride, first } }, report);
    console.log(`${host}: ${measured.device}, ${measured.count.toLocaleString("en")} numbers each`);
    for (const [name, { ulp, x, y, got, exact }] of Object.entries(measured.worst))
      console.log(`  ${name}: ${ulp.toFixed(2)} ulp at ${name === "div" ? `${x} / ${y}` : x}: ${got}, not ${exact}`);
    found.push(measured);
  } catch (error) {
    // Browsers append their whole log.
    const [reason] = String(error instanceof Error ? error.message : error).split("\nBrowser logs:");
    console.error(`ulp: ${host}: ${reason.trim()}`);
    process.exit(1);
  }
}
console.log(`\n| Function | ${hosts.join(" | ")} |`);
for (const name of only)
  console.log(`| \`${name}\` | ${found.map(({ worst }) => worst[name].ulp.toFixed(2)).join(" | ")} |`);
process.exit(0);
