/**
 * @file The corpus: plans of random cells and training runs that once failed, or that once showed a broken compiler, each
 * replayed on every executor. `npm run fuzz` adds what it finds.
 */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { cells } from "../../cells/index.ts";
import type { CellPlan } from "../../testing/random-cells/cell-plan.ts";
import { checkRandomCell } from "../../testing/random-cells/check-random-cell.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { checkTraining, type TrainingPlan } from "../../testing/random-cells/random-training.ts";
import { device, smallTileExecutors } from "../support/executors.ts";

type Entry =
  | { readonly kind: "cell"; readonly found: string; readonly plan: CellPlan }
  | { readonly kind: "training"; readonly found: string; readonly plan: TrainingPlan };

const folder = new URL("../corpus/", import.meta.url);
const files = readdirSync(folder).filter((file) => file.endsWith(".json"));

test.each(files)("%s", async (file) => {
  const entry: Entry = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
  expect(entry.found).not.toBe("");
  if (entry.kind === "training") await checkTraining(entry.plan, Object.values(cells), device);
  else expect((await checkRandomCell(buildCell(entry.plan), smallTileExecutors)).unsuitable).toBeUndefined();
});
