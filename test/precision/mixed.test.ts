/**
 * @file `precision: "mixed"`: the pass says what is rounded to f16, and every schedule and device computes that, whether or
 * not it stores it in 16 bits.
 */
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, inputName, nodeAt } from "../../compiler/graph/graph.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { verify } from "../../compiler/ops/verify.ts";
import { optimize } from "../../compiler/optimize.ts";
import { specialize } from "../../compiler/passes/specialize.ts";
import { unroll } from "../../compiler/passes/unroll.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import type { LowerOptions } from "../../compiler/plan/lowering.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { languageModel } from "../../entries/networks.ts";
import * as cg from "../../index.ts";
import { registersOf } from "../../runtime/registers.ts";
import { deviceExecutor, interpreter } from "../../testing/executor.ts";
import { prepare } from "../../testing/random-cells/cell-checks.ts";
import { lossGraphs, lossOfCell } from "../../testing/random-cells/cell-graphs.ts";
import { cellPlans } from "../../testing/random-cells/cell-plan.ts";
import { sizesOf } from "../../testing/random-cells/node-values.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { farthest, inputsOf, named } from "../kernels/inputs.ts";
import { cpu } from "../support/cpu-executors.ts";
import { ProgramRunner } from "../support/programs.ts";
import { long, slow, someOf } from "../support/some-of.ts";
import { forms } from "../zoo/forms.ts";

type Float = cg.Tensor<"f32">;

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

const registers = { total: 1e6, most: 300, reserved: 0 };
const ways: Readonly<Record<string, LowerOptions>> = {
  "weights stay": { target: "gpu", registers, chunkSteps: 2 },
  persistent: { target: "gpu" },
  "persistent, several rows": { target: "software" },
  stepwise: { target: "software", schedule: "stepwise" },
};

/** One rounding more or less of an f16 number: what differences of the last digit of f32 lead to. */
const ulp = 2 ** -10;

function trainingStep(name: string, layers = 1) {
  const { cell, units, features } = forms.get(name) ?? at([...forms.values()], 0);
  const network = languageModel({ cell, units, embed: features, vocabulary: 5, layers });
  return cg.trainingStep(network, { optimizer: cg.sgd() });
}

/** The inputs, of a run that goes on. */
const withoutHalt = (graph: Graph, inputs: readonly cg.NdArray[]) =>
  inputs.map((value, i) => (inputName(graph, at(graph.inputs, i)) === "halted" ? cg.ndarray([], [0], "bool") : value));

/** How many values of loops a graph rounds. */
const roundedIn = (graph: Graph) =>
  graph.nodes
    .flatMap((node) => (node.op === "scan" ? node.attrs.body.nodes : []))
    .filter(({ op }) => op === "roundToHalf").length;

const cells = ["lstm", "gru", "layer-norm-lstm", "mgu", "conv-lstm, even filter"];

describe.each(cells.map((name, i) => [name, i] as const))("%s", (name, number) => {
  const { graph, donate } = trainingStep(name);
  const inputs = withoutHalt(graph, inputsOf(graph, false, { B: 3, T: 5 }));
  const meant = verify(optimize(graph, { precision: "mixed" }));
  const expected = interpret(meant, inputs);
  const bits = (results: readonly cg.NdArray[]) => results.map(({ data }) => [...data]);

  test("it means other numbers, which are near", () => {
    expect(roundedIn(meant)).toBeGreaterThan(2);
    const away = farthest(interpret(graph, inputs), expected);
    expect(away).toBeGreaterThan(1e-6);
    expect(away).toBeLessThan(0.02);
    const specialized = specialize(meant, sizesOf(meant, inputs));
    expect(farthest(interpret(unroll(specialized), inputs), expected)).toBeLessThan(1e-9);
  });

  someOf(
    Object.entries(ways),
    (_, i) => name === "lstm" || i === number % 4,
    (_, i) => name === "lstm" && i > 1,
  )("%s", (_, way) => {
    const options = { ...way, donate, precision: "mixed" } as const;
    const given = named(graph, inputs);
    const stored = evaluateProgram(planProgram(graph, options), given, { subgroupSize: 4 });
    expect(farthest(stored, expected)).toBeLessThan(ulp);
    const inFloat = evaluateProgram(planProgram(graph, { ...options, halves: false }), given, { subgroupSize: 4 });
    expect(bits(stored)).toEqual(bits(inFloat));
  });

  test("on devices: the bits do not depend on the storage", name === "lstm" ? slow : long, async () => {
    const options = { ...at(Object.values(ways), number % 4), donate, precision: "mixed" } as const;
    const inHalf = await runner.run(graph, inputs, options);
    expect(farthest(inHalf, expected)).toBeLessThan(ulp);
    expect(bits(inHalf)).toEqual(bits(await runner.run(graph, inputs, { ...options, halves: false })));
    const onCpu = await deviceExecutor("cpu", cpu, 0, { precision: "mixed" }).execute(graph, inputs);
    expect(farthest(onCpu, expected)).toBeLessThan(ulp);
  });
});

test("the interpreter as a device means the same", async () => {
  const { graph } = trainingStep("lstm");
  const inputs = inputsOf(graph, false, { B: 3, T: 5 });
  const device = await cg.openDevice({ device: "interpreter" });
  const mixed = await deviceExecutor("interpreter", device, 0, { precision: "mixed" }).execute(graph, inputs);
  expect(farthest(mixed, interpret(optimize(graph, { precision: "mixed" }), inputs))).toBe(0);
  const plain = await deviceExecutor("interpreter", device, 0).execute(graph, inputs);
  expect(farthest(plain, await interpreter.execute(graph, inputs))).toBe(0);
});

test("the memory of an LSTM's steps is three quarters of that in f32", slow, () => {
  // What is known of a size is rounded up to four elements, which counts for less the more units there are.
  const { graph, donate } = trainingStep("lstm", 4);
  const perStep = (precision: "f32" | "mixed") =>
    planProgram(graph, { precision, donate })
      .buffers.filter(({ role }) => role === "slab")
      .flatMap(({ size }) => size)
      .reduce<number>(
        (sum, dim) => sum + (typeof dim === "string" && dim.includes("T") ? Number.parseInt(dim, 10) : 0),
        0,
      );
  expect(perStep("mixed")).toBeLessThan(0.76 * perStep("f32"));
});

test("a result of the program stays in f32", () => {
  const graph = cg.traceGraph("sums", [{ name: "x", dtype: "f32", shape: ["T", "B", 3] }], ([x]) => {
    const { ys } = cg.scanTensors(
      ([sum], [now]) => {
        const next = cg.tanh(cg.add(sum as Float, now as Float));
        return { carries: [next], ys: [next, cg.mul(next, next)] };
      },
      [cg.zeros(["B", 3])],
      [x as Float],
    );
    return [cg.reshape(at(ys, 0), ["T", 3, "B"]), cg.sum(at(ys, 1) as Float)];
  });
  const scan = optimize(graph, { precision: "mixed" }).nodes.find(({ op }) => op === "scan");
  if (scan?.op !== "scan") throw new Error("no scan");
  const { body, carries } = scan.attrs;
  const rounded = body.outputs.map((id) => nodeAt(body, id).op === "roundToHalf");
  // The state, which the loop computes with, and of the two values of each step the one that leaves the program.
  expect(rounded.slice(0, carries)).toEqual([false]);
  expect(rounded.slice(carries).sort()).toEqual([false, true]);
});

test("values of a loop that are parts of another value", () => {
  const shape = [2, 3] as const;
  const graph = cg.traceGraph("parts", [{ name: "x", dtype: "f32", shape: [4, ...shape] }], ([x]) => {
    const { ys } = cg.scanTensors(
      ([sum], [now]) => {
        const next = cg.tanh(cg.add(sum as Float, now as Float));
        return { carries: [next], ys: [next, cg.mul(next, next), cg.sin(next)] };
      },
      [cg.zeros(shape)],
      [x as Float],
    );
    const [a, b, c] = ys as [Float, Float, Float];
    const whole = cg.concat([a, b, cg.exp(x as Float)], 0);
    return [cg.sum(cg.mul(whole, cg.concat([c, c, c], 0)), 1)];
  });
  const inputs = inputsOf(graph, false);
  const results = evaluateProgram(planProgram(graph, { precision: "mixed" }), named(graph, inputs));
  expect(farthest(results, interpret(optimize(graph, { precision: "mixed" }), inputs))).toBeLessThan(ulp);
});

describe("weights that are rounded, and stay", () => {
  test.each([
    ["lstm", 8, { neighbours: 4 }],
    ["gru", 6, { neighbours: 1, chunkSteps: 2 }],
    // An odd number of weights to a lane.
    ["gru", 7, {}],
  ] as const)("%s of %i units, %o", slow, async (name, units, way) => {
    const network = languageModel({ cell: cg.cells[name] as cg.CellDefinition, units, embed: 3, vocabulary: 5 });
    const { graph, donate } = cg.trainingStep(network, { optimizer: cg.sgd(), precision: "mixed" });
    const inputs = withoutHalt(graph, inputsOf(graph, false, { B: 3, T: 5 }));
    const options = { target: "gpu", registers, ...way, donate, precision: "mixed" } as const;
    const program = planProgram(graph, options);
    expect(program.schedules.every(({ reason }) => reason.includes("two to a register"))).toBe(true);
    const results = evaluateProgram(program, named(graph, inputs), { subgroupSize: 4 });
    const expected = interpret(optimize(graph, { precision: "mixed" }), inputs);
    expect(farthest(results, expected)).toBeLessThan(ulp);
    const onDevice = await runner.run(graph, inputs, options);
    expect(farthest(onDevice, expected)).toBeLessThan(ulp);
  });

  test("an LSTM of 128 units has registers on NVIDIA, if its weights are rounded", slow, () => {
    const network = languageModel({ cell: cg.cells.lstm as cg.CellDefinition, units: 128, embed: 8, vocabulary: 8 });
    const schedules = (precision: "f32" | "mixed") => {
      const { graph, donate } = cg.trainingStep(network, { optimizer: cg.sgd(), precision });
      const limits = { target: "gpu", maxInvocations: 1024, maxWorkgroupBytes: 32_768, neighbours: 32 } as const;
      const options = { ...limits, registers: registersOf({ vendor: "nvidia" }), donate, precision } as const;
      return planProgram(graph, options).schedules.map(({ schedule }) => schedule);
    };
    expect([schedules("f32"), schedules("mixed")]).toEqual([
      ["persistent", "persistent"],
      ["resident", "resident"],
    ]);
  });
});

describe("random cells", () => {
  const seed = Number(process.env.CELLGRAD_SEED ?? 20261129);
  const numRuns = Number(process.env.CELLGRAD_CELLS ?? 12);
  let [ran, stored] = [0, 0];

  const plans = fc.sample(cellPlans, { seed, numRuns }).map((plan, i) => [i, plan] as const);
  // Each way has one.
  someOf(
    plans,
    ([i]) => i < 4,
    () => false,
  )("%i", async (i, plan) => {
    ran += 1;
    const { gradient, inputs, scale, value } = prepare(lossGraphs(lossOfCell(buildCell(plan))));
    const meant = verify(optimize(gradient, { precision: "mixed" }));
    const expected = interpret(meant, inputs);
    const size = Math.max(scale, Math.abs(value.data[0] ?? 0));
    const error = (results: readonly cg.NdArray[]) =>
      Math.max(
        ...results.flatMap(({ data }, k) => [...data].map((x, n) => Math.abs(x - (at(expected, k).data[n] ?? 0)))),
      ) / size;
    const options = { ...at(Object.values(ways), i % 4), precision: "mixed" } as const;
    const program = planProgram(gradient, options);
    if (program.buffers.some(({ name, size }) => name === "workInts" && size.some((dim) => dim !== 0))) stored += 1;
    const [inHalf, inFloat] = [
      await runner.run(gradient, inputs, options),
      await runner.run(gradient, inputs, { ...options, halves: false }),
    ];
    expect(inHalf.map(({ data }) => [...data])).toEqual(inFloat.map(({ data }) => [...data]));
    if (Number.isFinite(size)) expect(error(inHalf)).toBeLessThan(4 * ulp);
  });

  test("some of them store halves", slow, () => {
    expect(stored).toBeGreaterThan(ran / 4);
  });
});
