/**
 * @file Random numbers in training are a function of the seed and the step's number, so runs resume from checkpoints bit for
 * bit, on every device; and the regularization of a network's layers.
 */

import { afterAll, describe, expect, test } from "vitest";
import { gru } from "../../../cells/index.ts";
import { dropout, fork } from "../../../entries/layers.ts";
import { languageModel, type Network, type StackOptions } from "../../../entries/networks.ts";
import {
  constantInit,
  createTrainer,
  interpret,
  mul,
  ndarray,
  objective,
  ones,
  openDevice,
  openInterpreter,
  parameter,
  sgd,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  type Trainer,
  traceGraph,
  trainingStep,
} from "../../../index.ts";
import type { Batch } from "../../../train/data/batches.ts";
import { parameterNumbers } from "../../support/models.ts";
import { whatever } from "../../support/refused.ts";
import { difference } from "../devices.ts";

type Float = Tensor<"f32">;

const device = await openDevice();
afterAll(() => device.destroy());

const plain = { cell: gru, units: 6, layers: 2, vocabulary: 5, embed: 4 } as const;
const around: StackOptions = { dropout: 0.3, recurrentDropout: 0.2, zoneout: 0.1, connection: "residual" };
const tokens = (shift: number) =>
  ndarray(
    [4, 3],
    Array.from({ length: 12 }, (_, i) => (i * i + shift) % 5),
    "i32",
  );
const batch = (n: number): Batch => ({ x: tokens(n), targets: tokens(n + 1), fresh: true });

async function losses(trainer: Trainer, from: number, to: number) {
  const found: number[] = [];
  for (let n = from; n < to; n++) found.push((await trainer.step(batch(n))).loss);
  return found;
}

describe("a network with dropout, recurrent dropout, zoneout and residual connections", () => {
  const network = languageModel({ ...plain, ...around });
  const options = { seed: 7, learningRate: 0.01 };

  test("trains on the device as in the interpreter; one seed gives one run, bit for bit, which goes on from a checkpoint", async () => {
    const exact = await createTrainer(openInterpreter(), network, options);
    const trainer = await createTrainer(device, network, options);
    const start = await trainer.parameters();
    const first = await losses(trainer, 0, 3);
    expect(difference(first, await losses(exact, 0, 3))).toBeLessThan(1e-4);
    const checkpoint = await trainer.checkpoint();
    const rest = await losses(trainer, 3, 5);
    const end = await trainer.parameters();

    trainer.restore(checkpoint);
    expect(await losses(trainer, 3, 5)).toEqual(rest);
    expect(await trainer.parameters()).toEqual(end);
    trainer.setParameters(start);
    expect(await losses(trainer, 0, 3)).toEqual(first);
    trainer.destroy();
  });

  test("each step and seed has different random numbers; evaluation has none", async () => {
    const still = { learningRate: 1e-30, optimizer: sgd() };
    const [trainer, other] = [
      await createTrainer(openInterpreter(), network, { ...still, seed: 1 }),
      await createTrainer(openInterpreter(), network, { ...still, seed: 2 }),
    ];
    other.setParameters(await trainer.parameters());
    const found = [await trainer.step(batch(0)), await trainer.step(batch(0)), await other.step(batch(0))];
    expect(new Set(found.map(({ loss }) => loss)).size).toBe(3);
    const held = [await trainer.evaluate([batch(0)]), await other.evaluate([batch(0)])];
    expect(new Set(held).size).toBe(1);
  });
});

test("a network without random numbers has no seed", () => {
  const seedOf = (network: Network) => {
    const { graph, isSeeded } = trainingStep(network, { optimizer: sgd() });
    return [isSeeded, graph.nodes.some((node) => node.op === "input" && node.attrs.name === "seed")];
  };
  expect(seedOf(languageModel(plain))).toEqual([false, false]);
  expect(seedOf(languageModel({ ...plain, connection: "highway" }))).toEqual([false, false]);
  expect(seedOf(languageModel({ ...plain, zoneout: { h: 0.1 } }))).toEqual([true, true]);
});

test.each(["residual", "highway"] as const)("step by step it is the sequence, with %s connections", (connection) => {
  const network = languageModel({ ...plain, connection, zoneout: 0.2, dropout: 0.5 });
  expect(network.specs.some(({ path }) => path === "layers/1/highway/transform/kernel")).toBe(connection === "highway");
  expect(network.specs.some(({ path }) => path.startsWith("layers/0/highway"))).toBe(false);
  const bias = network.specs.find(({ path }) => path === "layers/1/highway/transform/bias");
  if (connection === "highway") expect(bias?.initializer).toEqual(constantInit(-1));
  const inputs = network.specs.map(({ path, shape }) => ({ name: path, dtype: "f32" as const, shape }));
  const x = { name: "x", dtype: "i32", shape: [4, 3] } as const;
  const graph = traceGraph("both", [...inputs, x], (tensors) => {
    const parameters = Object.fromEntries(inputs.map(({ name }, i) => [name, tensors[i] as Float]));
    const all = tensors.at(-1) as Tensor<"i32">;
    const start = Object.fromEntries(
      Object.entries(network.stateShapes).map(([name, shape]) => [name, mul(ones([3, ...shape]), 0.5)]),
    );
    const sequence = network.model.apply(parameters, all, start);
    let state: Readonly<Record<string, Float>> = start;
    for (const t of [0, 1, 2]) state = network.stepModel.apply(parameters, sum(slice(all, 0, t, 1), 0), state).state;
    const last = network.stepModel.apply(parameters, sum(slice(all, 0, 3, 1), 0), state);
    return [sum(slice(sequence.output, 0, 3, 1), 0), last.output];
  });
  const [whole, steps] = interpret(graph, [
    ...inputs.map(({ name, shape }) => parameterNumbers(name, shape)),
    tokens(1),
  ]);
  expect(difference(steps?.data ?? [], whole?.data ?? [])).toBeLessThan(1e-12);
});

describe("a custom objective", () => {
  const scaled = objective("scaled", { rows: { dtype: "f32", shape: ["B", 2] } }, ({ rows }, random) => {
    const weight = parameter("weight", [2], constantInit(1));
    return sum(square(mul(dropout(rows, 0.5, fork(random, "rows")), weight)));
  });
  const rows = ndarray([3, 2], [1, 2, 3, 4, 5, 6]);

  test("is trained and evaluated with inputs by name, of any number of rows", async () => {
    const trainer = await createTrainer(openInterpreter(), scaled, { optimizer: sgd(), learningRate: 1e-3 });
    expect(await trainer.evaluate([{ inputs: { rows } }])).toBe(91);
    const { loss } = await trainer.step({ inputs: { rows } });
    // Each number that is left counts four times.
    expect(loss % 4).toBe(0);
    expect(loss).toBeLessThan(364);
    const { weight } = await trainer.parameters();
    expect(weight?.data.some((value) => value < 1)).toBe(true);
    await trainer.step({ inputs: { rows: ndarray([1, 2], [1, 1]) } });
  });

  test("can have no inputs: then there is one row", async () => {
    const found = objective("found", {}, () => square(sub(sum(parameter("weight", [1], constantInit(1))), 3)));
    const trainer = await createTrainer(openInterpreter(), found, { optimizer: sgd(), learningRate: 0.25 });
    expect(await trainer.evaluate([{ inputs: {} }, { inputs: {} }])).toBe(4);
    // The step goes half of the way: 1, 2, 2.5.
    for (const loss of [4, 1, 0.25]) expect((await trainer.step({ inputs: {} })).loss).toBe(loss);
  });

  test("a batch without an input is an error", async () => {
    const trainer = await createTrainer(openInterpreter(), scaled);
    expect(() => trainer.step({ inputs: whatever({ row: rows }) })).toThrow(
      "the batch has no rows; it holds row, expected rows",
    );
  });
});
