/**
 * @file Random training runs: a device with a slightly wrong update is found for every rule; effects of rounding are
 * distinguished from errors; every cell and every optimizer is generated.
 */
import { afterAll, describe, expect, test } from "vitest";
import { zoo } from "../../cells/zoo.ts";
import { at } from "../../compiler/graph/errors.ts";
import { ndarray, scalar } from "../../compiler/graph/ndarray.ts";
import * as optimizers from "../../entries/optimizers.ts";
import {
  adam,
  add,
  type Device,
  type Graph,
  interpret,
  mul,
  openDevice,
  sgd,
  sub,
  sum,
  type Tensor,
  traceGraph,
} from "../../index.ts";
import { roundingSpread } from "../../testing/numbers/rough-rounding.ts";
import { checkTraining, trainingSource } from "../../testing/random-training/check-training.ts";
import { type ObjectivePlan, objectiveOf } from "../../testing/random-training/random-objective.ts";
import { ruleNames } from "../../testing/random-training/random-optimizer.ts";
import type { TrainingPlan } from "../../testing/random-training/training-plan.ts";
import { corpus } from "../fuzz/corpus.ts";

const device = await openDevice({ device: "cpu" });
afterAll(() => device.destroy());

const step = { time: 2, hasMoreRows: false, isFresh: false, rateFactor: 1 };
const objective: ObjectivePlan = {
  ...{ kind: "series", cell: "rnn", units: 3, layers: 1, features: 2, outputs: 2 },
  around: { dropout: 0, zoneout: 0, recurrentDropout: 0, connection: null },
  ...{ initial: "zeros", merge: "concat" },
};
const plan: TrainingPlan = {
  objective,
  optimizer: { rule: { name: "sgd", options: {} }, weightDecay: null, average: null },
  rateSchedule: { after: { name: "constantRate", options: {} }, warmUp: 0 },
  ...{ learningRate: 0.1, clip: null, accumulate: 1, before: 0, rows: 2, steps: [step, step, step] },
  ...{ schedule: "auto", tuning: null, seed: 7 },
};

const updatedBy = (name: string, options: Record<string, number | boolean>): TrainingPlan => ({
  ...plan,
  optimizer: { rule: { name, options }, weightDecay: null, average: null },
});

/** A device that replaces one constant of the graph by another. */
function mistaking(number: number, other: number): Device {
  const mistaken = (graph: Graph): Graph => {
    const isMeant = graph.nodes.some((node) => node.op === "constant" && node.attrs.value === number);
    if (!isMeant) throw new Error(`${number} is not in the graph`);
    const nodes = graph.nodes.map((node) =>
      node.op === "constant" && node.attrs.value === number
        ? { ...node, attrs: { ...node.attrs, value: other } }
        : node,
    );
    return { ...graph, nodes };
  };
  return { ...device, compile: (graph, options) => device.compile(mistaken(graph), options) };
}

describe("a constant of the update that is off by 1 % on the device", () => {
  test.each<[what: string, plan: TrainingPlan, number: number]>([
    ["momentum", updatedBy("momentum", { beta: 0.9, nesterov: false }), 0.9],
    ["Nesterov's momentum", updatedBy("momentum", { beta: 0.9, nesterov: true }), 0.9],
    ["Adam's average", updatedBy("adam", { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 }), 0.9],
    ["Adam's variance", updatedBy("adam", { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 }), 0.99],
    ["AdamW's decay", updatedBy("adamW", { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.5 }), 0.5],
    ["RMSProp", updatedBy("rmsProp", { decay: 0.99, epsilon: 1e-8, centred: true, momentum: 0.9 }), 0.99],
    ["Adagrad's start", updatedBy("adagrad", { epsilon: 1e-8, initial: 0.25 }), 0.25],
    ["Lion's average", updatedBy("lion", { beta1: 0.9, beta2: 0.99 }), 0.99],
    [
      "weight decay",
      {
        ...plan,
        optimizer: { ...plan.optimizer, weightDecay: { rate: 0.3, through: "gradient", matricesOnly: false } },
      },
      0.3,
    ],
    ["an average of the weights", { ...plan, optimizer: { ...plan.optimizer, average: 0.75 } }, 0.25],
    [
      "a schedule",
      { ...plan, rateSchedule: { after: { name: "linearDecay", options: { updates: 50, to: 0 } }, warmUp: 0 } },
      50,
    ],
    ["clipping", { ...plan, clip: { by: "clipNorm", limit: 0.01 } }, 0.01],
    ["accumulation", { ...plan, accumulate: 3 }, 3],
  ])("%s", async (_what, drawn, number) => {
    expect(await checkTraining(drawn, zoo, device)).toEqual({});
    const mistaken = checkTraining(
      drawn,
      zoo,
      mistaking(number, Number.isInteger(number) ? number + 1 : 1.01 * number),
    );
    await expect(mistaken).rejects.toThrow(/^step [123]: .* is off by .*; rounding excuses/);
  });
});

test("rounding changes values that are not exact in f32, and cancelling terms; exact values stay", () => {
  const f32 = (shape: readonly number[]) => ({ dtype: "f32", shape }) as const;
  const graph = traceGraph(
    "spread",
    [
      { name: "x", ...f32([3]) },
      { name: "n", ...f32([]) },
    ],
    ([x, n]) => {
      const third = mul(x as Tensor<"f32">, 1 / 3);
      return [third, sub(sum(third), 2 / 3), add(n as Tensor<"f32">, 1)];
    },
  );
  const inputs = [ndarray([3], [1, 0, 1]), scalar(41)];
  const [third, cancelled, counted] = roundingSpread(graph, inputs, interpret(graph, inputs));
  expect(at([...(third?.data ?? [])], 0)).toBeGreaterThan(1e-8);
  expect(at([...(third?.data ?? [])], 0)).toBeLessThan(1e-6);
  expect(third?.data[1]).toBe(0);
  expect(cancelled?.data[0]).toBeGreaterThan(1e-8);
  expect(cancelled?.data[0]).toBeLessThan(3e-6);
  expect(counted?.data[0]).toBe(0);
});

test("every optimizer of the library is generated", () => {
  const makesOptimizers = ([, make]: [string, unknown]) => {
    try {
      return typeof make === "function" && make.length === 0 && typeof make().update === "function";
    } catch {
      return false;
    }
  };
  const known = Object.entries({ sgd, adam, ...optimizers }).filter(makesOptimizers);
  expect(known.length).toBeGreaterThan(5);
  expect([...ruleNames].toSorted()).toEqual(known.map(([name]) => name).toSorted());
});

test.each(Object.keys(zoo))("%s is trained in supported sizes", (cell) => {
  const around = { dropout: 0.3, zoneout: 0.3, recurrentDropout: 0.3, connection: null };
  const { objective: trained } = objectiveOf(
    { ...objective, cell, units: 1, features: 1, around },
    zoo[cell] ?? at([], 0),
  );
  expect(trained.specs.length).toBeGreaterThan(0);
});

test("a run prints as source", () => {
  const entry = corpus()["training.json"];
  expect(trainingSource(entry?.plan as TrainingPlan, zoo)).toBe(`const cell = zoo["lstm1997"];
const trained = languageModel({ cell, "units":7,"layers":2,"embed":6,"vocabulary":9,"dropout":0,"zoneout":0,"recurrentDropout":0 });
const trainer = await createTrainer(device, trained, {
  optimizer: adamW({"beta1":0.9,"beta2":0.999,"epsilon":1e-8,"weightDecay":0.01}),
  rateSchedule: constantRate,
  learningRate: 0.01,
  clipNorm: 0.1,
  schedule: "stepwise",
  seed: 1838812445,
});
// a batch of 6 steps, 1 rows
// a batch of 6 steps, 1 rows
// a batch of 6 steps, 1 rows`);
});
