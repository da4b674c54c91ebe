/**
 * @file Weights that stay in registers: on a device and in the evaluator, with sums through workgroup memory and in
 * subgroups, forward and backward, in chunks, for depths and widths of all kinds. Each is compared with the interpreter.
 */
import { afterAll, describe, expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { expressionsIn, operandsOf, statementsIn } from "../../compiler/kernel/walk.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import type { LowerOptions } from "../../compiler/plan/lowering.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { languageModel } from "../../entries/networks.ts";
import minimalGatedUnit from "../../examples/minimal-gated-unit.ts";
import * as cg from "../../index.ts";
import { farthest, inputsOf, named } from "../kernels/inputs.ts";
import { ProgramRunner } from "../support/programs.ts";
import { fewOf, slow, someOf } from "../support/some-of.ts";
import { forms } from "../zoo/forms.ts";

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

function trainingStep(cell: cg.CellDefinition, units: number, embed: number) {
  const network = languageModel({ cell, units, embed, vocabulary: 5 });
  return cg.trainingStep(network, { optimizer: cg.sgd() });
}

const formOf = (name: string) => {
  const { cell, units, features } = forms.get(name) ?? at([...forms.values()], 0);
  return trainingStep(cell, units, features);
};

/** Whether the loops of a program keep their weights, as it says. */
const schedulesOf = (graph: Graph, options: LowerOptions) =>
  planProgram(graph, options).schedules.map(({ schedule }) => schedule);

describe("on the device", () => {
  const cells = ["lstm", "gru", "projected-lstm", "layer-norm-lstm", "slstm"];

  someOf(
    cells,
    (name) => name === "gru" || name === "slstm",
    () => false,
  )("%s", async (name) => {
    const { graph, donate } = formOf(name);
    const inputs = inputsOf(graph, false, { B: 3, T: 5 });
    for (const options of [{}, { neighbours: 4, chunkSteps: 2 }]) {
      const all = { ...options, donate, schedule: "resident" } as const;
      expect(new Set(schedulesOf(graph, { ...all, target: "software" }))).toEqual(new Set(["resident"]));
      expect(await runner.error(graph, inputs, all)).toBeLessThan(1e-5);
    }
  });
});

type Float = cg.Tensor<"f32">;

/** How far the results of the evaluator are from those of the interpreter. */
function farthestIn(graph: Graph, options: LowerOptions): number {
  const inputs = inputsOf(graph, false, { B: 2, T: 3 });
  const outputs = evaluateProgram(planProgram(graph, options), named(graph, inputs), { subgroupSize: 32 });
  return farthest(outputs, interpret(graph, inputs));
}

describe("in the evaluator, where a race or a read of nothing is a fault", () => {
  const large = { target: "gpu", schedule: "resident", maxInvocations: 1024 } as const;

  fewOf(
    [
      ["units of one lane each", 70, {}],
      ["32 lanes to a unit, in a subgroup", 32, { neighbours: 32, registers: { total: 1e6, most: 3, reserved: 0 } }],
      ["8 lanes to a unit, through memory", 8, { registers: { total: 1e6, most: 3, reserved: 0 } }],
      ["a depth that slices do not divide", 33, { neighbours: 32 }],
      ["many rows in chunks of one step", 4, { chunkSteps: 1 }],
      ["more rows than a device has cores", 8, {}, 65],
    ] as const,
    ([name]) => name === "many rows in chunks of one step",
  )("%s", (_, units, options, rows: number = 2) => {
    const { graph, donate } = trainingStep(cg.cells.gru as cg.CellDefinition, units, 3);
    const inputs = inputsOf(graph, false, { B: rows, T: 3 });
    const registers = { total: 1e6, most: 300, reserved: 0 };
    const program = planProgram(graph, { ...large, registers, ...options, donate });
    const outputs = evaluateProgram(program, named(graph, inputs), { subgroupSize: 32 });
    expect(farthest(outputs, interpret(graph, inputs))).toBeLessThan(1e-5);
  });

  test("columns of fewer lanes than the workgroup has, and subgroups smaller than a column's lanes", () => {
    const { graph, donate } = formOf("projected-lstm");
    const inputs = inputsOf(graph, false, { B: 2, T: 3 });
    const program = planProgram(graph, { ...large, neighbours: 4, donate });
    const outputs = evaluateProgram(program, named(graph, inputs), { subgroupSize: 4 });
    expect(farthest(outputs, interpret(graph, inputs))).toBeLessThan(1e-5);
  });

  test("a product of a state, and one of its first half, which other lanes hold", () => {
    const halves = cg.cell("halves", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
      const half = cg.slice(h, 1, 0, units / 2);
      const next = cg.tanh(cg.add(cg.dense("whole", [x, h], units), cg.dense("half", [half], units)));
      return { state: { h: next }, output: next };
    });
    const { graph, donate } = trainingStep(halves, 8, 3);
    const inputs = inputsOf(graph, false, { B: 2, T: 3 });
    const program = planProgram(graph, { ...large, donate });
    expect(farthest(evaluateProgram(program, named(graph, inputs)), interpret(graph, inputs))).toBeLessThan(1e-5);
  });

  test("a product of joined values, whose parts a lane alone reads by their numbers", () => {
    const joined = cg.cell("joined", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
      const wide = cg.tanh(cg.dense("wide", [x, h], units));
      // An odd depth, which no two lanes share.
      const part = cg.slice(cg.concat([wide, h]), 1, units - 2, 3);
      const next = cg.tanh(cg.dense("part", part, units));
      return { state: { h: next }, output: next };
    });
    const { graph, donate } = trainingStep(joined, 5, 3);
    const inputs = inputsOf(graph, false, { B: 2, T: 3 });
    const program = planProgram(graph, { ...large, donate });
    expect(farthest(evaluateProgram(program, named(graph, inputs)), interpret(graph, inputs))).toBeLessThan(1e-5);
    // Numbers, not what the lane computes.
    const lets = program.kernels.flatMap(({ code }) =>
      code.parts.flatMap(({ body }) =>
        statementsIn(body).flatMap((each) => (each.kind === "let" ? [each.variable] : [])),
      ),
    );
    expect(lets.map(({ name }) => name)).not.toContain("slice");
  });

  test("values of the next step are those of the input, which is loaded a step before", () => {
    const inputs = ["x", "h", "w"].map((name, i) => ({
      name,
      dtype: "f32" as const,
      shape: at(
        [
          [3, 2, 8],
          [2, 8],
          [8, 8],
        ],
        i,
      ),
    }));
    const graph = cg.traceGraph("ahead", inputs, ([x, h, w]) => {
      const step = ([before]: readonly cg.Tensor[], [now]: readonly cg.Tensor[]) => {
        const next = cg.tanh(cg.add(cg.dot(before as Float, w as Float), now as Float));
        return { carries: [next], ys: [next] };
      };
      return cg.scanTensors(step, [h as Float], [x as Float]).ys;
    });
    expect(farthestIn(graph, { ...large, neighbours: 4 })).toBeLessThan(1e-5);
  });

  test("lanes of a column share functions of two kinds, and store what others computed", () => {
    const state = ({ units }: { units: number }) => ({ h: [units], k: [units], n: [units] });
    // Of the four lanes' second stores, two were computed by lane 1.
    const twice = cg.cell("twice", { state }, ({ x, h, k, n, units }) => {
      const gate = (name: string) => cg.dense(name, [x, h], units);
      const [a, b] = [cg.sigmoid(gate("a")), cg.sigmoid(gate("b"))];
      const sum = cg.add(cg.mul(a, cg.tanh(gate("c"))), cg.mul(b, cg.tanh(gate("d"))));
      const next = cg.add(sum, cg.mul(h, cg.mul(k, n)));
      return { state: { h: next, k: h, n: k }, output: next };
    });
    const { graph, donate } = trainingStep(twice, 8, 3);
    for (const most of [4, 12])
      expect(
        farthestIn(graph, { ...large, donate, neighbours: 32, registers: { total: 1e6, most, reserved: 0 } }),
      ).toBeLessThan(1e-5);
  });

  test("an empty sequence and an empty batch", () => {
    const { graph, donate } = trainingStep(cg.cells.lstm as cg.CellDefinition, 4, 3);
    for (const sizes of [
      { B: 2, T: 0 },
      { B: 0, T: 2 },
    ]) {
      const inputs = inputsOf(graph, false, sizes);
      const outputs = evaluateProgram(planProgram(graph, { ...large, donate }), named(graph, inputs));
      const expected = interpret(graph, inputs);
      for (const [i, { data }] of outputs.entries())
        expect([...data].map((x) => +x.toFixed(5))).toEqual([...at(expected, i).data].map((x) => +x.toFixed(5)));
    }
  });

  test("sums are the same bits in subgroups of any size and through memory", slow, () => {
    const { graph, donate } = trainingStep(cg.cells.lstm as cg.CellDefinition, 8, 3);
    const inputs = named(graph, inputsOf(graph, false, { B: 2, T: 3 }));
    const registers = { total: 1e6, most: 4, reserved: 0 };
    const [first, ...others] = [
      { neighbours: 8, subgroupSize: 8 },
      { neighbours: 32, subgroupSize: 32 },
      { neighbours: 4, subgroupSize: 4 },
      { neighbours: 1, subgroupSize: 1 },
    ].map(({ neighbours, subgroupSize }) =>
      evaluateProgram(planProgram(graph, { ...large, registers, neighbours, donate }), inputs, { subgroupSize }),
    );
    expect(others).toEqual([first, first, first]);
  });
});

test("more lanes share a column where a step has fewer functions, which all of them compute", () => {
  const { graph, donate } = trainingStep(cg.cells.lstm as cg.CellDefinition, 128, 8);
  const registers = { total: 4 * 1024 * 32, most: 256, reserved: 64 };
  const { schedules } = planProgram(graph, { target: "gpu", maxInvocations: 1024, registers, donate });
  expect(schedules.map(({ reason }) => reason)).toEqual([
    "512 lanes hold the weights of a step in registers, 128 to a lane",
    "1024 lanes hold the weights of a step in registers, 64 to a lane",
  ]);
});

/** The training step of a cell, and its loops over time: forward and backward, for few and for many rows. */
function loopsOf(cell: cg.CellDefinition) {
  const { graph, donate } = trainingStep(cell, 16, 8);
  const program = planProgram(graph, { target: "gpu", donate, neighbours: 32 });
  const loops = program.kernels.flatMap(({ code }) =>
    code.parts.flatMap(({ body }) =>
      statementsIn(body).filter((statement) => statement.kind === "for" && statement.mapping === "time"),
    ),
  );
  return { program, loops };
}

function lstmLoops() {
  const found = loopsOf(cg.cells.lstm as cg.CellDefinition);
  expect(found.loops).toHaveLength(4);
  return found;
}

test.each([
  ["GRU", cg.cells.gru as cg.CellDefinition],
  ["minimal gated unit", minimalGatedUnit as cg.CellDefinition],
])("a step of a %s has two barriers, one for each of the products that wait for each other, both ways", (_, cell) => {
  const { loops } = loopsOf(cell);
  expect(loops.length).toBeGreaterThan(1);
  for (const loop of loops) {
    if (loop.kind !== "for") throw new Error("no loop");
    const statements = statementsIn(loop.body);
    expect(statements.filter(({ kind }) => kind === "barrier")).toHaveLength(2);
    // What a lane reads at its own column is in a register only.
    const loaded = expressionsIn(loop.body).flatMap((expr) => (expr.kind === "load" ? [expr.array.name] : []));
    const stored = statements.flatMap((each) =>
      each.kind === "store" && each.array.space === "shared" ? [each.array.name] : [],
    );
    expect(new Set(loaded)).toEqual(new Set([...loaded, ...stored]));
  }
});

test("the three sigmoids of an LSTM are computed by three lanes of a column, and stores are shared, too", () => {
  const { loops } = lstmLoops();
  const [forward] = loops;
  if (forward?.kind !== "for") throw new Error("no loop");
  const expressions = expressionsIn(forward.body);
  const calls = expressions.flatMap((expr) => (expr.kind === "call" ? [expr.function.name] : []));
  expect(calls.sort()).toEqual(["cg_sigmoid", "cg_tanh", "cg_tanh"]);
  // What the next state needs, too, is not computed again for it.
  expect(expressions.filter((expr) => expr.kind === "apply" && expr.op === "fromQuad")).toHaveLength(3);
  const stores = statementsIn(forward.body).filter(
    (statement) => statement.kind === "store" && statement.array.space === "global",
  );
  // Eight results, and eight lanes to a column.
  expect(stores).toHaveLength(1);
});

test("values of the next step are loaded before it, in the last step its own again", () => {
  const { loops } = lstmLoops();
  for (const loop of loops) {
    if (loop.kind !== "for") throw new Error("no loop");
    const next = statementsIn(loop.body).flatMap((each) =>
      each.kind === "let" && each.variable.name.endsWith("ext") ? [each.value] : [],
    );
    expect(next.length).toBeGreaterThan(0);
    for (const value of next) {
      const [later] = operandsOf(value);
      expect(value).toMatchObject({ kind: "apply", op: "min" });
      expect(later).toMatchObject({ kind: "apply", op: "add", operands: [loop.variable, { kind: "literal" }] });
    }
  }
});

test("the loop over time reads no weight from memory", () => {
  const { program, loops } = lstmLoops();
  const parameters = program.inputs.find(({ name }) => name === "parameters")?.buffer;
  for (const loop of loops) {
    if (loop.kind !== "for") continue;
    const loads = expressionsIn(loop.body).flatMap((expr) =>
      expr.kind === "load" && expr.array.space === "global" ? [expr.array.buffer] : [],
    );
    expect(loads.length).toBeGreaterThan(0);
    expect(loads).not.toContain(parameters);
  }
});
