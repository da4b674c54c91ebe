/**
 * @file `npm run test:lavapipe`: Deno on lavapipe, Mesa's Vulkan driver for the CPU, whose workgroups have 1,024 lanes as
 * those of a GPU. Cells whose weights stay in registers at sizes that need that many, and random cells, each against the
 * interpreter. Prints the results; the exit code is 1 if a check fails, and 0 where lavapipe is not installed.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { createJiti } from "jiti";

const root = fileURLToPath(new URL("..", import.meta.url));
const whole = (text) => {
  const value = Number(text);
  if (!(/^\d+$/.test(text) && value < 2 ** 30)) throw new InvalidArgumentError("It must be a whole number below 2^30.");
  return value;
};
const options = new Command("npm run test:lavapipe --")
  .description(
    "Weights that stay in registers of 1,024 lanes: cells of large sizes and random cells, in Deno on lavapipe.",
  )
  .option("--only <text>", "only sizes whose name contains this", "")
  .option("--cells <n>", "number of random cells", whole, 40)
  .option("--widest <n>", "elements of a value of a random cell, at most", whole, 160)
  .option("--seed <n>", "random seed, to repeat a run (default: a new one each time)", whole)
  .addHelpText("after", "\nExample:\n  npm run test:lavapipe -- --only lstm --cells 0")
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "lavapipe: ").replace(/\s*\n\s*(?=\S)/g, " ")),
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()
  .opts();
const { only, cells, widest, seed = 1 + Math.floor(Math.random() * 2 ** 29) } = options;

const jiti = createJiti(import.meta.url, { alias: { cellgrad: join(root, "index.ts") } });
const { lavapipe } = await jiti.import("../runtime/hosts/vulkan.ts");
const manifest = process.platform === "linux" ? lavapipe() : undefined;
if (manifest === undefined) {
  console.log("lavapipe: not run: it is not installed (Debian: mesa-vulkan-drivers)");
  process.exit(0);
}
// VK_DRIVER_FILES is the newer name; a loader that knows both prefers it.
Object.assign(process.env, { VK_DRIVER_FILES: manifest, VK_ICD_FILENAMES: manifest });

const { runInHost } = await jiti.import("../test/support/run-in-host.ts");
const { drivers } = await jiti.import("../test/fuzz/hosts.ts");
const { takenLine } = await jiti.import("../test/fuzz/totals.ts");

let failures = 0;
const fail = (line) => {
  failures += 1;
  console.error(`lavapipe: ${line}`);
};

/** Prints a line of the process that checks sizes. */
function hearSize(line) {
  if (!line.startsWith("{")) return;
  const { adapter, maxInvocations, name, lanes, error, wrong } = JSON.parse(line);
  if (adapter !== undefined) console.log(`${adapter}, up to ${maxInvocations} lanes to a workgroup`);
  else console.log(`${name}: ${lanes} lanes, ${error.toExponential(1)} off the interpreter`);
  if (wrong !== undefined) fail(`${name}: ${wrong}`);
}

function hearCells(event) {
  if (event.event === "failure") fail(`seed ${event.seed}: ${event.found}\n\n${event.source}\n`);
  if (event.event !== "done") return;
  const { totals } = event;
  console.log(`${totals.cells} random cells (${totals.cellsDiscarded} discarded), seeds ${seed} and on`);
  if (totals.taken !== undefined) console.log(takenLine("resident", totals.taken));
}

const program = fileURLToPath(new URL("../test/lavapipe/process.ts", import.meta.url));
const common = { minutes: 1e-6, training: 0, second: 0, device: "software" };
const work = [
  () => runInHost("deno", { process: program, page: "" }, only, hearSize),
  () => drivers.deno({ fuzz: { ...common, seed, cells, forced: { schedule: "resident", widest } } }, hearCells),
];
for (const [i, part] of work.entries())
  if (i === 0 || cells > 0) await part().catch((error) => fail(error instanceof Error ? error.message : String(error)));
console.log(failures === 0 ? "lavapipe: all checks passed" : "lavapipe: failed");
process.exit(failures === 0 ? 0 : 1);
