/**
 * @file `npm run fuzz`: random cells and random training runs in one host or in all, until the time is up. Failures are
 * shrunk, printed as source, and added to the corpus (test/corpus), which the tests replay.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { createJiti } from "jiti";

const root = fileURLToPath(new URL("..", import.meta.url));
const jiti = createJiti(import.meta.url, { alias: { cellgrad: join(root, "index.ts") } });
const { fuzzDevices, hostNames } = await jiti.import("../test/fuzz/protocol.ts");

const positive = (text) => {
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) throw new InvalidArgumentError("It must be a number above 0.");
  return value;
};
const whole = (text) => {
  const value = Number(text);
  // fast-check's seeds are i32, and each cell takes the next one.
  if (!(/^\d+$/.test(text) && value < 2 ** 30)) throw new InvalidArgumentError("It must be a whole number below 2^30.");
  return value;
};
const options = new Command("npm run fuzz --")
  .description("Random cells and random training runs, on the interpreter and on devices in every schedule.")
  .addOption(new Option("--host <host>", "host of the device").choices([...hostNames, "all"]).default("node"))
  .addOption(
    new Option("--device <device>", 'device to check on; "all" is the CPU, and WebGPU if available')
      .choices([...fuzzDevices])
      .default("all"),
  )
  .option("--minutes <n>", "duration in each host", positive, 5)
  .option("--seed <n>", "random seed, to repeat a run (default: a new one each time)", whole)
  .option("--training <n>", "one training run per n cells; 0 for none", whole, 4)
  .option("--second <n>", "check second derivatives of every n-th cell; 0 for none", whole, 4)
  .addHelpText(
    "after",
    "\nExample:\n  npm run fuzz -- --minutes 60 --seed 7\n  npm run fuzz -- --host all --minutes 10\n  npm run fuzz -- --device cpu",
  )
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "fuzz: ").replace(/\s*\n\s*(?=\S)/g, " ")),
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()
  .opts();

const { drivers } = await jiti.import("../test/fuzz/hosts.ts");
const { drawnBy } = await jiti.import("../test/fuzz/fuzz.ts");
const { addToCorpus } = await jiti.import("../test/fuzz/corpus.ts");

const { device, minutes, training, second, seed = 1 + Math.floor(Math.random() * 2 ** 29) } = options;
const hosts = options.host === "all" ? hostNames : [options.host];
const reportEvery = 30_000;

const summary = ({ cells, cellsDiscarded, secondOrder, trainings, trainingsDiscarded, failures, minutes }) =>
  `${cells} cells (${cellsDiscarded} discarded, ${secondOrder} to second order), ` +
  `${trainings} training runs (${trainingsDiscarded} discarded), ${failures} failures; ` +
  `${(cells / Math.max(minutes, 1e-9)).toFixed(0)} cells a minute`;

function report(host, failure) {
  console.log(`\n${host}: ${failure.kind}, seed ${failure.seed}: ${failure.found}\n\n${failure.source}\n`);
  console.log(`added to the corpus: ${addToCorpus(failure, host)}\n`);
}

/** Runs one host; returns its summary line. */
async function fuzzIn(host) {
  const at = { device: "", kind: "cell", seed, totals: undefined, reported: performance.now(), isDone: false };
  const receive = (event) => {
    if (event.event === "device") at.device = event.name;
    if (event.event === "device") console.log(`${host}: ${event.name}, seeds ${seed} and on, ${minutes} minutes`);
    if (event.event === "checking") Object.assign(at, { kind: event.kind, seed: event.seed });
    if (event.event === "failure") report(host, event);
    if (event.event === "progress" || event.event === "done") at.totals = event.totals;
    if (event.event === "done") at.isDone = true;
    if (event.event === "progress" && performance.now() - at.reported > reportEvery) {
      at.reported = performance.now();
      console.log(`${host}: ${summary(event.totals)}`);
    }
  };
  let failures = 0;
  try {
    await drivers[host]({ fuzz: { device, seed, minutes, training, second } }, receive);
  } catch (error) {
    failures += 1;
    // Browsers append their whole log.
    const [reason] = String(error instanceof Error ? error.message : error).split("\nBrowser logs:");
    const found = `the host ended: ${reason.trim()}`;
    if (at.device === "") console.log(`${host}: ${found}`);
    else report(host, { kind: at.kind, seed: at.seed, found, ...drawnBy(at.kind, at.seed) });
  }
  failures += at.totals?.failures ?? 0;
  const result = at.totals === undefined ? "nothing was checked" : summary(at.totals);
  return {
    failures,
    line: `${host}${at.device && ` on ${at.device}`}, seed ${seed}: ${result}${at.isDone ? "" : "; it was cut short"}`,
  };
}

// Hosts end with this process.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

const results = [];
for (const host of hosts) results.push(await fuzzIn(host));
console.log(`\n${results.map(({ line }) => line).join("\n")}`);
process.exit(results.every(({ failures }) => failures === 0) ? 0 : 1);
