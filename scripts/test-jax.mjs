/**
 * @file `npm run test:jax`: prints cells, networks and ops as JAX, runs them with a real JAX on the CPU, in float32 and in
 * float64, and compares values and gradients with the interpreter's. JAX is installed once, into a virtual environment below
 * node_modules/.cache; where there is no Python or no package index, prints `not run` and the reason, with exit code 0.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { createJiti } from "jiti";
import { pythonWith } from "./python-environment.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const options = new Command("npm run test:jax --")
  .description("Runs printed JAX modules with JAX and compares them with the interpreter.")
  .option("--only <pattern>", "only cases whose name matches this regular expression")
  .option("--training", "only train with an exported train.py")
  .option("--hosts", "only give train.py data that is missing, short or damaged")
  .option("--variants", "only train with the options of train.py")
  .option("--flax", "only import weights of Flax")
  .option("--format", "only check the layout of the printed modules")
  .option("--out <folder>", "write the printed modules to this folder, and keep them")
  .option("--python <file>", "a Python interpreter that has the packages of test/jax/requirements.txt")
  .addHelpText("after", "\nExample:\n  npm run test:jax -- --only lstm --out printed")
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "test:jax: ").replace(/\s*\n\s*(?=\S)/g, " ")),
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()
  .opts();

/** Ends the script: what it needs is not there. */
function notRun(reason) {
  console.log(`JAX: not run: ${reason}`);
  process.exit(0);
}

const python = options.python ?? pythonWith("jax", join(root, "test/jax/requirements.txt"), notRun);
const { status: found, stdout: version } = spawnSync(python, ["-c", "import jax; print(jax.__version__)"], {
  encoding: "utf8",
});
if (found !== 0) notRun(`${python} has no JAX`);

const jiti = createJiti(import.meta.url, {
  alias: { cellgrad: join(root, "index.ts") },
  fsCache: join(root, "node_modules/.cache/jiti"),
  transformOptions: { babel: { comments: false } },
});
const { groups } = await jiti.import("../test/jax/groups.ts");
const { hostFaults } = await jiti.import("../test/jax/hosts.ts");
const { flaxFaults } = await jiti.import("../test/jax/flax.ts");
const { variantFaults } = await jiti.import("../test/jax/variants.ts");
const { trainingFaults } = await jiti.import("../test/jax/training.ts");
const folder = options.out ?? mkdtempSync(join(tmpdir(), "cellgrad-jax-"));
mkdirSync(folder, { recursive: true });

const started = performance.now();
const only = options.training
  ? trains
  : options.hosts
    ? loses
    : options.variants
      ? varies
      : options.flax
        ? imports
        : undefined;
if (only !== undefined) {
  const holds = await only();
  console.log(`${Math.round((performance.now() - started) / 1000)} s`);
  if (options.out === undefined) rmSync(folder, { recursive: true, force: true });
  process.exit(holds ? 0 : 1);
}
const encoded = ({ dtype, shape, data }) => ({
  dtype,
  shape,
  data: Buffer.from(Float64Array.from(data).buffer).toString("base64"),
});
const argument = (given) =>
  "data" in given
    ? encoded(given)
    : "tuple" in given
      ? { tuple: given.tuple.map(encoded) }
      : given.map(({ keys, array }) => ({ keys, array: encoded(array) }));
const files = new Map();
const cases = [];
const counts = [];
for (const { name, cases: make } of groups) {
  let count = 0;
  for (const one of make()) {
    if (options.only !== undefined && !new RegExp(options.only).test(one.name)) continue;
    const file = files.get(one.source) ?? `case_${files.size}.py`;
    if (!files.has(one.source)) writeFileSync(join(folder, file), one.source);
    files.set(one.source, file);
    const { source: _, args, expected, gradient, ...rest } = one;
    cases.push({
      ...rest,
      file,
      args: args.map(argument),
      expected: expected.map(encoded),
      ...(gradient && { gradient: { of: gradient.of, expected: gradient.expected.map(encoded) } }),
    });
    count += 1;
  }
  if (count > 0) counts.push(`${count} ${name}`);
}
if (cases.length === 0) {
  console.error(`test:jax: no case matches ${options.only}`);
  process.exit(2);
}
writeFileSync(join(folder, "cases.json"), JSON.stringify(cases));
console.log(`JAX ${version.trim()}: ${counts.join(", ")}`);

/** Runs the cases in one precision; resolves to whether all hold. */
function run(precision) {
  return new Promise((resolve) => {
    const child = spawn(python, [join(root, "scripts/test-jax.py"), folder, precision], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let last;
    createInterface({ input: child.stdout }).on("line", (line) => {
      last = JSON.parse(line);
      for (const fault of last.faults ?? []) console.log(`${precision}: ${last.name} (${last.file}): ${fault}`);
    });
    child.on("close", (code) => {
      const isComplete = code === 0 && last?.cases !== undefined;
      console.log(
        isComplete
          ? `${precision}: ${last.cases} cases, ${last.failed} failed`
          : `${precision}: ended early, exit code ${code}`,
      );
      resolve(isComplete && last.failed === 0);
    });
  });
}

/** Whether the modules in a folder are as ruff wants them. */
function tidy(at, what) {
  const ruff = (...args) =>
    spawnSync(python, ["-m", "ruff", ...args, "--no-cache", "--isolated", "."], { cwd: at, encoding: "utf8" });
  const [checked, formatted] = [ruff("check", "--output-format", "concise"), ruff("format", "--diff")];
  const isTidy = checked.status === 0 && formatted.status === 0;
  if (checked.status !== 0) console.log(`${checked.stdout}${checked.stderr}`.trim());
  if (formatted.status !== 0) console.log(`${formatted.stdout}${formatted.stderr}`.trim().slice(0, 4000));
  console.log(`ruff: ${what} ${isTidy ? "pass" : "do not pass"} \`ruff check\` and \`ruff format\``);
  return isTidy;
}

/** Trains with an exported train.py. */
async function trains() {
  const exported = join(folder, "training");
  const faults = await trainingFaults(python, exported, (line) => console.log(`train.py: ${line}`));
  for (const fault of faults) console.log(`train.py: ${fault}`);
  return tidy(exported, "model.py and train.py") && faults.length === 0;
}

/** Gives train.py data that is missing, short or damaged. */
async function loses() {
  const faults = await hostFaults(python, join(folder, "faulty"), (line) => console.log(`train.py: ${line}`));
  for (const fault of faults) console.log(`train.py: ${fault}`);
  return faults.length === 0;
}

/** Trains with the options of train.py, with data of every kind. */
async function varies() {
  const exported = join(folder, "variants");
  const faults = await variantFaults(python, exported, (line) => console.log(`train.py: ${line}`));
  for (const fault of faults) console.log(`train.py: ${fault}`);
  const printed = readdirSync(exported).filter((name) => existsSync(join(exported, name, "README.md")));
  const are = printed.map((name) => tidy(join(exported, name), `model.py and train.py of ${name}`));
  return are.every(Boolean) && faults.length === 0;
}

/** Imports weights that Flax has written. */
async function imports() {
  const faults = await flaxFaults(python, join(folder, "flax"), (line) => console.log(`Flax: ${line}`));
  for (const fault of faults) console.log(`Flax: ${fault}`);
  return faults.length === 0;
}

const runs = options.format === undefined ? ["f32", "x64"] : [];
const results = [tidy(folder, `${files.size} modules`), ...(await Promise.all(runs.map(run)))];
if (options.only === undefined && options.format === undefined)
  results.push(await imports(), await trains(), await loses(), await varies());
console.log(`${Math.round((performance.now() - started) / 1000)} s`);
if (options.out === undefined) rmSync(folder, { recursive: true, force: true });
else console.log(`the modules are in ${folder}`);
process.exit(results.every(Boolean) ? 0 : 1);
