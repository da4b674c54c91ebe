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
const { scanScheduleNames } = await jiti.import("../compiler/plan/scan/names.ts");

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
  .description(
    "Random cells and random training runs, on the interpreter and on devices in every schedule; or recurrent cells in " +
      "one schedule that is forced with a GPU's rules.",
  )
  .addOption(new Option("--host <host>", "host of the device").choices([...hostNames, "all"]).default("node"))
  .addOption(
    new Option(
      "--device <device>",
      'device to check on; "all" is the CPU, and WebGPU if available; "evaluator" runs the kernels of a forced schedule in ' +
        "JavaScript, where a race or a read out of bounds is a failure",
    )
      .choices([...fuzzDevices])
      .default("all"),
  )
  .option("--minutes <n>", "duration in each host (default: 5, or until --cells are checked)", positive)
  .option("--cells <n>", "number of cells in each host, at the least", whole)
  .addOption(
    new Option(
      "--schedule <schedule>",
      "checks recurrent cells in this schedule wherever they can run in it, twice in chunks of two lengths; counts the " +
        'loops that did, and says why others did not; "parallel" checks cells whose carries are affine by construction, ' +
        "on any device",
    ).choices([...scanScheduleNames]),
  )
  .option("--widest <n>", "elements of a value, at most, in a forced schedule", whole, 40)
  .option("--seed <n>", "random seed, to repeat a run (default: a new one each time)", whole)
  .option("--training <n>", "one training run per n cells; 0 for none", whole, 4)
  .option("--second <n>", "check second derivatives of every n-th cell; 0 for none", whole, 4)
  .addHelpText(
    "after",
    "\nExample:\n  npm run fuzz -- --minutes 60 --seed 7\n  npm run fuzz -- --host all --minutes 10\n  npm run fuzz -- --device cpu\n  npm run fuzz -- --cells 2000 --schedule resident\n  npm run fuzz -- --cells 5000 --schedule parallel --device cpu",
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
const { takenLine } = await jiti.import("../test/fuzz/totals.ts");

const { device, cells, schedule, widest, training, second, seed = 1 + Math.floor(Math.random() * 2 ** 29) } = options;
const { minutes = cells === undefined ? 5 : 1e-6 } = options;
const forced = schedule && { schedule, widest };
const refuse = (line) => {
  console.error(`fuzz: ${line}`);
  process.exit(2);
};
if (device === "evaluator" && forced === undefined) refuse("--device evaluator needs a --schedule");
if (device === "cpu" && forced !== undefined && schedule !== "parallel")
  refuse("--schedule forces a GPU's rules, which --device cpu has not");
const hosts = options.host === "all" ? hostNames : [options.host];
const reportEvery = 30_000;

const summary = ({ cells, cellsDiscarded, secondOrder, trainings, trainingsDiscarded, failures, minutes, taken }) =>
  `${cells} cells (${cellsDiscarded} discarded${forced ? "" : `, ${secondOrder} to second order`}), ` +
  (forced ? "" : `${trainings} training runs (${trainingsDiscarded} discarded), `) +
  `${failures} failures; ${(cells / Math.max(minutes, 1e-9)).toFixed(0)} cells a minute` +
  (forced && taken ? `; ${takenLine(schedule, taken)}` : "");

function report(host, failure) {
  // Wide cells have thousands of numbers; the corpus keeps what they are drawn from.
  const source = failure.source.replace(/^(.{500}).{100,}$/gm, "$1 ...");
  console.log(`\n${host}: ${failure.kind}, seed ${failure.seed}: ${failure.found}\n\n${source}\n`);
  console.log(`added to the corpus: ${addToCorpus(failure, host, schedule)}\n`);
}

/** Runs one host; returns its summary line. */
async function fuzzIn(host) {
  const at = { device: "", kind: "cell", seed, totals: undefined, reported: performance.now(), isDone: false };
  const receive = (event) => {
    if (event.event === "device") at.device = event.name;
    if (event.event === "device") {
      const until = [cells && `${cells} cells`, minutes >= 1e-3 && `${minutes} minutes`].filter(Boolean).join(", ");
      console.log(`${host}: ${event.name}, seeds ${seed} and on, ${until}`);
    }
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
    await drivers[host]({ fuzz: { device, seed, minutes, training, second, cells, forced } }, receive);
  } catch (error) {
    failures += 1;
    // Browsers append their whole log.
    const [reason] = String(error instanceof Error ? error.message : error).split("\nBrowser logs:");
    const found = `the host ended: ${reason.trim()}`;
    if (at.device === "") console.log(`${host}: ${found}`);
    else report(host, { kind: at.kind, seed: at.seed, found, ...drawnBy(at.kind, at.seed, forced) });
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
