/**
 * @file Second derivatives of random cells: compared on request, and errors in only these are found.
 *
 * @module-tag slow
 */
import { expect, test } from "vitest";
import { interpret } from "../../index.ts";
import type { Executor } from "../../testing/executor.ts";
import type { CellPlan } from "../../testing/random-cells/cell-plan.ts";
import { checkRandomCell } from "../../testing/random-cells/check-random-cell.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { corpus } from "../fuzz/corpus.ts";

const cell = buildCell(corpus()["matrix-state-tokens.json"]?.plan as CellPlan);

/** Right to first order; each second derivative is too large by 0.1 %. */
const wrongInSecond: Executor = {
  name: "wrong executor",
  tolerance: 1e-4,
  execute: async (graph, inputs) => {
    const outputs = interpret(graph, inputs);
    if (graph.name === "gradient") return outputs;
    return outputs.map((array) => ({ ...array, data: array.data.map((number) => 1.001 * number) }));
  },
};

test("an executor that is right to first order only", async () => {
  const outcome = await checkRandomCell(cell, [wrongInSecond]);
  expect(outcome.unsuitable).toBeUndefined();
  expect(outcome.isSecondDetermined).toBeUndefined();
  await expect(checkRandomCell(cell, [wrongInSecond], { order: 2 })).rejects.toThrow(
    "second order on the wrong executor: the error is 1.00e-3, allowed is 0.0001",
  );
});
