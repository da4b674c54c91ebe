/** @file What `npm run bench:cpu` makes of what it has measured. Nothing is timed here. */
import { expect, test } from "vitest";
import { caseNamed } from "../../bench/cpu/cases.ts";
import { differences, type Measured, slowSettings } from "../../bench/cpu/compare.ts";
import type { Entrant } from "../../bench/cpu/entrants.ts";
import { flopsOf } from "../../bench/cpu/flops.ts";
import { commandOf } from "../../bench/cpu/options.ts";
import { flopsOfTurn, peakModule } from "../../bench/cpu/peak-module.ts";
import { rowsOf } from "../../bench/cpu/report.ts";
import { productFlops } from "../../bench/measure/workload.ts";
import { hasRelaxedMadd } from "../../wasm/features.ts";

const alike = [4.16, 4.15, 4.14, 4.13];

test("losses that are those of the others to the tolerance are in", () => {
  expect(differences([alike, alike.map((loss) => loss * (1 + 9e-5)), alike])).toEqual(new Map());
});

test.each([
  ["another at the last step", [4.16, 4.15, 4.14, 4.1305], "step 4 is 4.1305, and the median of all 4.13"],
  ["NaN from the third on", [4.16, 4.15, Number.NaN, Number.NaN], "step 3 is NaN, and the median of all 4.14"],
  ["too few", [4.16], "step 2 is NaN, and the median of all 4.15"],
])("losses that differ are out, with the reason: %s", (_, losses, reason) => {
  const found = differences([alike, losses, alike]);
  expect([...found.keys()]).toEqual([1]);
  expect(found.get(1)).toContain(reason);
});

const entrant = (group: Entrant["group"], name: string, setting: string): Entrant => ({
  ...{ group, name, setting },
  command: "",
});

test("a contender's best setting counts, and times are compared with PyTorch's least", () => {
  const measured: Measured[] = [
    { entrant: entrant("pytorch", "PyTorch loop", "1 thread"), stepsMs: [8, 9, 10] },
    { entrant: entrant("pytorch", "PyTorch loop", "2 threads"), stepsMs: [30, 6, 50] },
    { entrant: entrant("pytorch", "PyTorch nn.LSTM", "1 thread"), notRun: "it ended" },
    { entrant: entrant("cellgrad-cpu", "cellgrad cpu", ""), stepsMs: [4, 3, 5] },
  ];
  const rows = rowsOf(caseNamed("lstm-t32"), 12e6, measured);
  expect(rows).toMatchObject([
    { contender: "PyTorch loop", setting: "2 threads", minMs: 6, medianMs: 30, timesPyTorch: 1, gflops: 2 },
    { contender: "PyTorch nn.LSTM", notRun: "it ended" },
    { contender: "cellgrad cpu", minMs: 3, medianMs: 4, timesPyTorch: 2, gflops: 4 },
  ]);
  expect(rows[0]?.settings).toEqual({ "1 thread": 8, "2 threads": 6 });
  expect(rows[1]).not.toHaveProperty("minMs");
});

test("settings without hope have no turns, and each contender keeps its best one", () => {
  const found = slowSettings([
    { entrant: entrant("pytorch", "PyTorch loop", "1 thread"), pace: 10 },
    { entrant: entrant("pytorch", "PyTorch loop", "2 threads"), pace: 31 },
    { entrant: entrant("pytorch", "PyTorch nn.LSTM", "1 thread"), pace: 29 },
    { entrant: entrant("pytorch", "PyTorch nn.LSTM", "2 threads"), pace: 10 },
    { entrant: entrant("tfjs", "TensorFlow.js cpu", ""), pace: 5000 },
  ]);
  expect([...found]).toEqual([[1, "31.0 ms a step in the first ones, and 10.0 with 1 thread"]]);
});

test("a result does not say where interpreters lie", () => {
  expect(commandOf(["--only", "jax", "--python", "/somewhere/python", "--save"])).toBe(
    "npm run bench:cpu -- --only jax --save",
  );
  expect(commandOf(["--python=/somewhere/python"])).toBe("npm run bench:cpu");
});

test("the work of a step is that of its products, less those that the embedding saves, and little more", () => {
  const one = caseNamed("lstm-t32");
  const { vocabulary, embed, units, batch, time } = one.sizes;
  // The table's product with the kernels is taken once for each symbol and not for each token.
  const saved = 3 * 2 * (batch * time - vocabulary) * embed * 4 * units;
  const rest = flopsOf(one) / (productFlops(one) - saved);
  expect(rest).toBeGreaterThan(1);
  expect(rest).toBeLessThan(1.2);
});

test.each(hasRelaxedMadd() ? [false, true] : [false])("the peak's loop computes, relaxed: %s", (isRelaxed) => {
  const module = peakModule({ accumulators: 4, isRelaxed });
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module), { env: { memory } });
  const run = exports.run as (turns: number) => number;
  // From 0, 1, 2 and 3 to 1 each: after a turn 0.75^8 of the distance is left.
  expect(run(1)).toBeCloseTo(4 + 2 * 0.75 ** 8, 5);
  expect(run(100)).toBeCloseTo(4, 5);
  expect(flopsOfTurn({ accumulators: 4, isRelaxed })).toBe(4 * 8 * 8);
});
