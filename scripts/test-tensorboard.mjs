/**
 * @file `npm run test:tensorboard`: trains with `--log tensorboard` and reads the event files with TensorBoard's own reader:
 * every number of the run is there, and a file that is changed in one byte is refused. TensorBoard is installed once, below
 * node_modules/.cache; where there is no Python or no package index, prints `not run` and the reason, with exit code 0.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { pythonWith } from "./python-environment.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const options = new Command("npm run test:tensorboard --")
  .description("Reads the event files of training runs with TensorBoard's own reader.")
  .option("--python <file>", "a Python interpreter that has the packages of test/logs/requirements.txt")
  .configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, "test:tensorboard: ").replace(/\s*\n\s*(?=\S)/g, " ")),
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse()
  .opts();

/** Ends the script: what it needs is not there. */
function notRun(reason) {
  console.log(`TensorBoard: not run: ${reason}`);
  process.exit(0);
}

const python = options.python ?? pythonWith("tensorboard", join(root, "test/logs/requirements.txt"), notRun);
const read = (...paths) =>
  spawnSync(python, [join(root, "scripts/test-tensorboard.py"), ...paths], { encoding: "utf8" });

const folder = mkdtempSync(join(tmpdir(), "cellgrad-tensorboard-"));
const faults = [];
/** The lines of a run with these options, which adds an event file to the folder. */
function train(...args) {
  const command = ["bin/cellgrad.mjs", "train", "README.md", "--device", "interpreter", "--json"];
  const made = spawnSync(process.execPath, [...command, "--log", `tensorboard:${folder}`, ...args], {
    cwd: root,
    encoding: "utf8",
  });
  if (made.status !== 0) throw new Error(made.stderr);
  return made.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** Says what differs between a run and what TensorBoard has read of it. */
function compare(what, lines, { scalars, texts }) {
  const curve = (field) =>
    lines.flatMap((entry) =>
      entry.step !== undefined && entry[field] !== undefined ? [[entry.step, Math.fround(entry[field])]] : [],
    );
  const expected = {
    "loss/training": curve("loss"),
    "loss/held-out": curve("valLoss"),
    "gradient norm": curve("gradientNorm"),
    "tokens per second": curve("tokensPerSecond"),
  };
  for (const [name, points] of Object.entries(expected))
    if (points.length === 0 || JSON.stringify(scalars[name]) !== JSON.stringify(points))
      faults.push(`${what}: ${name} is ${JSON.stringify(scalars[name])}; expected ${JSON.stringify(points)}`);
  if (!/\| cell \| lstm \|/.test(texts.run?.[0]?.[1] ?? "")) faults.push(`${what}: the text of the run is missing`);
  if (texts.result?.[0]?.[0] !== lines.at(-1).steps) faults.push(`${what}: the text of its result is missing`);
}

try {
  const model = join(folder, "model.safetensors");
  const sizes = ["--units", "4", "--embed", "2", "--batch", "2", "--time", "8"];
  const first = train(...sizes, "--steps", "6", "--eval-every", "2", "--eval-batches", "1", "--out", model);
  const files = () => readdirSync(folder).filter((name) => name.includes("tfevents"));
  const [begun] = files();
  const second = train("--resume", model, "--steps", "4");
  const resumed = files().find((name) => name !== begun);
  const paths = [begun, resumed].map((name) => join(folder, name));
  const { status, stdout, stderr } = read(...paths);
  if (status !== 0) faults.push(stderr.trim());
  else {
    const [ofFirst, ofSecond] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    compare("a run", first, ofFirst);
    compare("the run that continues it", second, ofSecond);
  }
  const changed = join(folder, "events.out.tfevents.changed");
  const bytes = readFileSync(paths[0]);
  bytes[bytes.length - 20] ^= 1;
  writeFileSync(changed, bytes);
  if (read(changed).status === 0) faults.push("a changed file is read to its end: the reader checks nothing");
  console.log(`TensorBoard: ${first.length + second.length} lines of two runs, ${faults.length} faults`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const fault of faults) console.log(`TensorBoard: ${fault}`);
process.exit(faults.length === 0 ? 0 : 1);
