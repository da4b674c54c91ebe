/**
 * @file `npm run mutants`: applies every mutant of the catalog (test/mutants), one at a time, and runs the tests that
 * should catch it. Prints the mutants that survive; the exit code is 1 if there are any.
 */
import { Command, InvalidArgumentError } from "commander";
import { createJiti } from "jiti";
import { checkMutant, Lane, pathOf } from "./mutants/lane.mjs";

const count = (text) => {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("It must be a whole number above 0.");
  return Number(text);
};
const options = new Command("npm run mutants --")
  .description("Applies every mutant of the catalog and runs the tests that should catch it.")
  .option("--only <texts...>", "only mutants whose file or name contains one of these")
  .option("--from <n>", "start with the n-th of them", count, 1)
  .option("--lanes <n>", "mutants to try in parallel", count, 2)
  .option("--list", "print the mutants and run nothing")
  .option("--why", "print the message of the failing test")
  .addHelpText("after", "\nExample:\n  npm run mutants -- --only compiler/passes sigmoid")
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "mutants: ").replace(/\s*\n\s*(?=\S)/g, " ")),
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()
  .opts();

/** Prints an error line and exits. */
function fail(message) {
  console.error(`mutants: ${message}`);
  process.exit(2);
}

const jiti = createJiti(import.meta.url);
const { mutants } = await jiti.import("../test/mutants/catalog.ts");
const { History } = await jiti.import("./mutants/history.ts");

const chosen = mutants.filter(
  ({ name, file }) => options.only?.some((text) => `${file}: ${name}`.includes(text)) ?? true,
);
if (chosen.length === 0) fail(`no mutant's file or name contains ${options.only.join(" or ")}; --list prints them all`);
if (options.list) {
  for (const { name, file } of chosen) console.log(`${file}: ${name}`);
  process.exit(0);
}
try {
  chosen.forEach(checkMutant);
} catch (error) {
  fail(error.message);
}

const history = new History(pathOf("node_modules/.cache/mutants.json"));
const lanes = await Promise.all(Array.from({ length: options.lanes }, Lane.open));

/** Tests that have run without a mutant. */
const checked = new Map();

/** Ends the script if tests fail without a mutant, which would then catch every mutant. Each runs once. */
function checkWithout(lane, part) {
  const key = JSON.stringify(part);
  const result = checked.get(key) ?? runWithout(lane, part);
  checked.set(key, result);
  return result;
}

async function runWithout(lane, part) {
  const { failure, times } = await lane.run(undefined, part);
  if (failure !== undefined)
    fail(`the tests fail without a mutant; fix this first: ${part.file}: ${firstLine(failure.message)}`);
  if (part.names === undefined) history.noteTimes(part.file, times);
}

/** Whether code does not run at all, which no type checker lets pass: such a mutant is no mistake that anyone could make. */
const isNonsense = ({ kind, message }) =>
  kind === "ReferenceError" || kind === "SyntaxError" || message.startsWith("Transform failed");

/** What the first test says that fails with this mutant, as `{ outcome, message }`. */
async function outcomeOf(lane, mutant) {
  for (const file of mutant.tests) if (!history.isTimed(file)) await checkWithout(lane, { file });
  let isEverRead = false;
  for (const part of history.partsFor(mutant)) {
    const { failure, isRead } = await lane.run(mutant, part);
    isEverRead ||= isRead;
    if (failure === undefined) continue;
    const { test, message } = failure;
    const alone = test !== undefined && history.isLong(part.file);
    await checkWithout(lane, alone ? { file: part.file, names: [test] } : { file: part.file });
    history.noteCatch(mutant, part.file, test);
    const outcome = isNonsense(failure) ? "NONSENSE" : "caught";
    return { outcome, message: `${part.file}: ${firstLine(message)}` };
  }
  // Then these tests say nothing about it, or the runner has hidden it from them.
  return isEverRead ? { outcome: "SURVIVED" } : { outcome: "UNREAD", message: "none of its tests reads the file" };
}

const firstLine = (text) => text.split("\n")[0];

const faults = [];
const waiting = [...chosen.entries()].slice(Math.max(0, options.from - 1));
const tried = waiting.length;
await Promise.all(
  lanes.map(async (lane) => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [number, mutant] = next;
      const { outcome, message } = await outcomeOf(lane, mutant);
      const line = `${outcome.padEnd(8)} ${mutant.file}: ${mutant.name}`;
      if (outcome !== "caught") faults.push(line);
      console.log(`${number + 1}/${chosen.length} ${line}`);
      if (options.why && message !== undefined) console.log(`    ${message.slice(0, 300)}`);
    }
  }),
);
console.log(`\n${tried - faults.length} of ${tried} mutants caught`);
for (const fault of faults) console.log(fault);
await Promise.all(lanes.map((lane) => lane.close()));
process.exit(faults.length === 0 ? 0 : 1);
