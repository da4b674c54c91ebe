/**
 * @file `npm run fuzz`: random cells and random training runs until the time is up. What fails is shrunk, printed as
 * source or data, and added to the corpus (test/corpus), which the tests replay.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import fc from "fast-check";
import { createJiti } from "jiti";

const root = fileURLToPath(new URL("..", import.meta.url));
const jiti = createJiti(import.meta.url, {
  alias: { cellgrad: join(root, "index.ts") },
});

const number = (text) => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("it must be a number above 0");
  return value;
};
const options = new Command("npm run fuzz --")
  .description("Random cells and random training runs, on the interpreter and the device in every schedule.")
  .option("--minutes <n>", "how long", number, 5)
  .option("--seed <n>", "draws the same cells again", number, 1 + Math.floor(Math.random() * 2 ** 30))
  .option("--training <n>", "one training run for so many cells", number, 10)
  .addHelpText("after", "\nExample:\n  npm run fuzz -- --minutes 60 --seed 7")
  .parse()
  .opts();

const { cellPlans } = await jiti.import("../testing/random-cells/cell-plan.ts");
const { buildCell } = await jiti.import("../testing/random-cells/random-cell.ts");
const { checkRandomCell } = await jiti.import("../testing/random-cells/check-random-cell.ts");
const { checkTraining, trainingPlans } = await jiti.import("../testing/random-cells/random-training.ts");
const { smallTileExecutors, device } = await jiti.import("../test/support/executors.ts");
const { cells } = await jiti.import("../cells/index.ts");

const until = performance.now() + options.minutes * 60_000;
const counts = { cells: 0, drawnAgain: 0, training: 0, failures: 0 };
const trained = Object.values(cells);
const runs = trainingPlans(trained);

/** Checks one drawn plan; a failure is shrunk by fast-check from the same seed. */
async function look(name, arbitrary, check, seed, text) {
  // What is tried only to shrink a failure is not counted.
  let isFirst = true;
  const once = (plan) => {
    const isCounted = isFirst;
    isFirst = false;
    return check(plan, isCounted);
  };
  const details = await fc.check(fc.asyncProperty(arbitrary, once), { seed, numRuns: 1 });
  if (!details.failed) return;
  const [plan] = details.counterexample ?? [];
  if (plan === undefined) return;
  counts.failures += 1;
  const file = join(root, "test", "corpus", `${name}-${seed}.json`);
  writeFileSync(
    file,
    `${JSON.stringify({ kind: name, found: details.errorInstance?.message ?? "", plan }, null, 2)}\n`,
  );
  console.log(
    `\n${details.errorInstance?.stack ?? details.errorInstance}\n${text(plan)}\nadded to the corpus: ${file}`,
  );
}

const started = performance.now();
let told = started;
for (let n = 0; performance.now() < until; n++) {
  const seed = options.seed + n;
  await look(
    "cell",
    cellPlans,
    async (plan, isCounted) => {
      const { unsuitable } = await checkRandomCell(buildCell(plan), smallTileExecutors);
      if (isCounted) counts[unsuitable === undefined ? "cells" : "drawnAgain"] += 1;
    },
    seed,
    (plan) => buildCell(plan).text,
  );
  if (n % options.training === 0) {
    counts.training += 1;
    await look(
      "training",
      runs,
      (plan) => checkTraining(plan, trained, device),
      seed,
      (plan) => JSON.stringify(plan),
    );
  }
  if (performance.now() - told > 30_000) {
    told = performance.now();
    console.log(line());
  }
}

function line() {
  const minutes = (performance.now() - started) / 60_000;
  const { cells, drawnAgain, training, failures } = counts;
  return `${cells} cells (${drawnAgain} drawn again), ${training} training runs, ${failures} failures; ${(cells / minutes).toFixed(0)} cells a minute, seeds ${options.seed} and on`;
}

console.log(line());
device.destroy();
process.exit(counts.failures === 0 ? 0 : 1);
