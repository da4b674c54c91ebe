/** @file docs/reference/gpus.md: the sizes at which weights stay in registers are those that the compiler finds. */
import { expect, test } from "vitest";
import { slstm, zoo } from "../../cells/zoo.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import type { Precision } from "../../devices/device.ts";
import { languageModel } from "../../entries/networks.ts";
import { type CellDefinition, sgd, trainingStep } from "../../index.ts";
import { registersOf } from "../../runtime/registers.ts";
import { someOf } from "../support/some-of.ts";
import { page } from "./pages.ts";

const sizes = [32, 64, 128, 256, 512, 1024] as const;
const cellsByName: Readonly<Record<string, CellDefinition>> = { ...zoo, "slstm({ heads: 4 })": slstm({ heads: 4 }) };
const vendors = ["amd", "nvidia", ""] as const;
const precisions: readonly Precision[] = ["f32", "mixed"];
const rows = [...page("docs/reference/gpus.md").matchAll(/^\| (`.*`) ((?:\| \d+ ){6})\|$/gm)].map(
  ([, cells = "", most = ""]) =>
    [cells.replaceAll("`", "").split(", "), (most.match(/\d+/g) ?? []).map(Number)] as const,
);

/** Whether the weights of both passes stay. */
function stays(cell: CellDefinition, units: number, vendor: string, precision: Precision): boolean {
  const network = languageModel({ cell, units, vocabulary: 64, embed: 64 });
  const { graph, donate } = trainingStep(network, { optimizer: sgd(), precision });
  const registers = registersOf({ vendor });
  const limits = { target: "gpu", maxInvocations: 1024, maxWorkgroupBytes: 32_768, neighbours: 32 } as const;
  const { schedules } = planProgram(graph, { ...limits, donate, precision, ...(registers && { registers }) });
  return schedules.every(({ schedule }) => schedule === "resident");
}

test("the table names cells of the zoo, and all vendors of the table of registers", () => {
  expect(rows.flatMap(([cells]) => cells).filter((name) => !(name in cellsByName))).toEqual([]);
  expect(rows.length).toBeGreaterThan(3);
  expect(vendors.map((vendor) => registersOf({ vendor }) !== undefined)).toEqual([true, true, false]);
});

const columns = vendors.flatMap((vendor) => precisions.map((precision) => [vendor, precision] as const));
// The first cell of each row stands for the others, which have as many weights.
const entries = rows.flatMap(([[first = ""], most]) =>
  columns.map(([vendor, precision], i) => [first, vendor, precision, most[i] ?? Number.NaN] as const),
);

// Of each row one entry, in all columns.
someOf(
  entries,
  (_, i) => i % 7 === 0,
  (_, i) => i === 0,
)("%s on %j, %s: %i units", (name, vendor, precision, units) => {
  const next = sizes[sizes.indexOf(units as 32) + 1] ?? Number.NaN;
  const found = [units, next].map((size) => stays(cellsByName[name] as CellDefinition, size, vendor, precision));
  expect(found).toEqual([true, false]);
});
