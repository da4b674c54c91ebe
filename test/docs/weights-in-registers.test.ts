/** @file docs/reference/gpus.md: the sizes at which weights stay in registers are those that the compiler finds. */
import { expect, test } from "vitest";
import { slstm, zoo } from "../../cells/zoo.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import type { Precision } from "../../devices/device.ts";
import { languageModel } from "../../entries/networks.ts";
import { type CellDefinition, sgd, trainingStep } from "../../index.ts";
import { registersOf } from "../../runtime/registers.ts";
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

// The first cell of each row stands for the others, which have as many weights.
test.each(rows.map(([[first = ""], most]) => [first, most] as const))("%s", (name, most) => {
  const cell = cellsByName[name] as CellDefinition;
  const columns = vendors.flatMap((vendor) => precisions.map((precision) => ({ vendor, precision })));
  for (const [i, { vendor, precision }] of columns.entries()) {
    const units = most[i] ?? Number.NaN;
    const next = sizes[sizes.indexOf(units as 32) + 1] ?? Number.NaN;
    const found = [units, next].map((size) => stays(cell, size, vendor, precision));
    expect(found, `${vendor} ${precision} ${units}`).toEqual([true, false]);
  }
});
