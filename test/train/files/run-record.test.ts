/** @file The run record of a model survives a round trip, and a damaged one is an error. */
import { expect, test } from "vitest";
import { checkedRun, type RunRecord } from "../../../train/files/run-record.ts";

const record: RunRecord = {
  ...{ steps: 7, planned: 9, batch: 2, time: 3, seed: 4, learningRate: 0.01, data: "abc" },
  update: { optimizer: "adam", clip: 1 },
  losses: [1, 0.5],
};

test("the stored fields are read back, and no others", () => {
  expect(checkedRun(record)).toEqual(record);
  const measured = { ...record, every: 3, patience: 2 };
  expect(checkedRun({ ...measured, more: 1 })).toEqual(measured);
});

test.each([
  ["an object", [[], null, 3]],
  ["counts above 0", ["steps", "planned", "batch", "time"].map((name) => ({ ...record, [name]: 0 }))],
  [
    "counts above 0",
    [
      { ...record, every: 0 },
      { ...record, patience: 1.5 },
      { ...record, steps: "7" },
    ],
  ],
  [
    "a seed",
    [
      { ...record, seed: -1 },
      { ...record, seed: 2 ** 32 },
    ],
  ],
  [
    "a learning rate above 0",
    [
      { ...record, learningRate: 0 },
      { ...record, learningRate: "1" },
    ],
  ],
  [
    "a text for its data",
    [
      { ...record, data: 3 },
      { ...record, data: "a".repeat(201) },
    ],
  ],
  [
    "a list of losses",
    [
      { ...record, losses: [null] },
      { ...record, losses: {} },
      { ...record, losses: ["1"] },
    ],
  ],
  [
    "texts and numbers",
    [
      { ...record, update: [] },
      { ...record, update: { optimizer: {} } },
    ],
  ],
])("%s is expected where there is none", (expected, values) => {
  for (const value of values) expect(() => checkedRun(value)).toThrow(`its run is damaged; expected ${expected}`);
});
