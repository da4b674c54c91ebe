/**
 * @file `npm run tasks`: checks what cells can and cannot learn, on standard benchmark tasks. Each row is a command line of
 * `cellgrad task` and its expected result; the exit code is 1 if one differs. Results are measured on sequences not seen in
 * training. `npm run tasks -- --device gpu` uses another device.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const bin = fileURLToPath(new URL("../bin/cellgrad.mjs", import.meta.url));

const adding = ["adding-halves", "--time", "100", "--units", "32", "--lr", "0.01"];
// Input gates that start closed keep irrelevant input out: Hochreiter & Schmidhuber 1997, section 5.4.
const closed = ["--start", "input/bias=-3"];
const below =
  (limit) =>
  ({ loss }) => ({ isMet: loss < limit, wanted: `loss below ${limit}` });
const near =
  (value) =>
  ({ loss }) => ({ isMet: Math.abs(loss / value - 1) < 0.2, wanted: `loss near ${value}` });
const none =
  (name) =>
  ({ score }) => ({ isMet: score[name] === 0, wanted: `no ${name}` });
const atMost =
  (part, name) =>
  ({ score }) => ({ isMet: score[name] <= part, wanted: `${name}: at most ${part}` });

const rows = [
  [[...adding, "--cell", "rnn", "--steps", "1400"], near(0.167)],
  [[...adding, "--cell", "lstm1997", "--steps", "700", ...closed], below(0.01)],
  [[...adding, "--cell", "lstm", "--steps", "1400", ...closed], below(0.01)],
  [
    [
      "embedded-reber",
      "--cell",
      "lstm",
      "--time",
      "32",
      "--units",
      "24",
      "--embed",
      "8",
      "--steps",
      "1200",
      "--lr-schedule",
      "cosine",
    ],
    none("strings with a symbol that is illegal"),
  ],
  [
    [
      "copy",
      "--cell",
      "./examples/orthogonal-rnn.ts",
      "--time",
      "50",
      "--units",
      "128",
      "--steps",
      "800",
      "--lr",
      "0.002",
      "--lr-schedule",
      "cosine",
    ],
    atMost(0.001, "symbols that are wrong"),
  ],
];

const given = process.argv.slice(2);
if (given.includes("--help") || given.includes("-h")) {
  console.log("npm run tasks -- [options of cellgrad task], such as --device gpu or --seed 2");
  process.exit(0);
}
const started = performance.now();
let isWrong = false;
const table = [];
for (const [args, judge] of rows) {
  const full = ["task", ...args, "--seed", "1", "--json", ...given];
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...full], { encoding: "utf8" });
  if (status !== 0) {
    console.error(stderr.trim());
    process.exit(status ?? 1);
  }
  const result = JSON.parse(stdout);
  const { isMet, wanted } = judge(result);
  isWrong ||= !isMet;
  const { loss, baseline, best, score, seconds, device } = result;
  const { task, cell, time, steps, seed } = result;
  table.push({ task, cell, time, steps, seed, loss: Number(loss.toPrecision(3)), wanted, met: isMet });
  console.log(`cellgrad ${full.filter((arg) => arg !== "--json").join(" ")}`);
  console.log(`  loss ${loss.toPrecision(3)} (baseline ${baseline.toPrecision(3)}, optimum ${best.toPrecision(3)})`);
  for (const [name, value] of Object.entries(score)) console.log(`  ${name}: ${value}`);
  console.log(`  ${isMet ? "as expected" : "NOT AS EXPECTED"}: ${wanted}; ${seconds.toFixed(0)} s on ${device}`);
}
console.table(table);
console.log(`${((performance.now() - started) / 60_000).toFixed(1)} minutes in all`);
process.exitCode = isWrong ? 1 : 0;
