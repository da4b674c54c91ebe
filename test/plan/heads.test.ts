/**
 * @file Steps that multiply a state with a stack of matrices, one for each head: the rows come to the front, and heads
 * become rows where nothing else crosses them. In the evaluator, where a race or a read of nothing is a fault, forward and
 * backward, compared with the interpreter.
 */
import { describe, expect, test } from "vitest";
import { slstm } from "../../cells/zoo.ts";
import { at } from "../../compiler/graph/errors.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { optimize } from "../../compiler/optimize.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import type { LowerOptions } from "../../compiler/plan/lowering.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { languageModel } from "../../entries/networks.ts";
import * as cg from "../../index.ts";
import { drawArguments, drawWholeDirection } from "../../testing/gradients/case.ts";
import { tracePrograms } from "../../testing/gradients/programs.ts";
import { farthest, inputsOf, named } from "../kernels/inputs.ts";
import { fewOf, slow } from "../support/some-of.ts";

type Float = cg.Tensor<"f32">;
type Product = (h: Float, name: string) => Float;

const gpu = { target: "gpu", maxInvocations: 1024, neighbours: 4 } as const;
/** Lanes for the units of a head, and not for all. */
const fewer = (units: number) => ({ ...gpu, maxInvocations: units - 1 });

function trainingStep(cell: cg.CellDefinition, units: number) {
  const network = languageModel({ cell, units, embed: 3, vocabulary: 5 });
  return cg.trainingStep(network, { optimizer: cg.sgd() });
}

/** The schedule of each loop, and the reason. */
function schedulesOf(cell: cg.CellDefinition, units: number, options: LowerOptions = {}) {
  const { graph, donate } = trainingStep(cell, units);
  return planProgram(graph, { ...gpu, neighbours: 32, donate, ...options }).schedules;
}

/** The cell h' = tanh(x W + product(h) + b), with a product of heads. */
const cellOf = (name: string, product: Product) =>
  cg.cell(name, { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
    const next = cg.tanh(cg.add(cg.dense("input", x, units), cg.reshape(product(h, "recurrent"), h.shape)));
    return { state: { h: next }, output: next };
  });

const rowsOf = (h: Float) => at(h.shape, 0);
/** h as [B, heads, width]. */
const byHead = (h: Float, heads: number) => cg.reshape(h, [rowsOf(h), heads, -1]);
const matrices = (name: string, heads: number, rows: number, columns = rows) =>
  cg.parameter(name, [heads, rows, columns], cg.normal(0.5));
/** Each vector along the last axis, less its mean. */
const centred = (x: Float) => cg.sub(x, cg.broadcast(cg.mean(x, -1, { keepAxes: true }), x.shape));
/** h as [heads, B, width]. */
const headsFirst = (h: Float, heads: number) => cg.transpose(byHead(h, heads), [1, 0, 2]);
const back = (h: Float) => cg.transpose(h, [1, 0, 2]);

const einsum =
  (heads: number): Product =>
  (h, name) => {
    const width = Number(h.shape[1]) / heads;
    return cg.einsum("bhi,hij->bhj", byHead(h, heads), matrices(name, heads, width));
  };

const products: Readonly<Record<string, Product>> = {
  "einsum notation": einsum(3),
  "heads in front of a whole part of the step": (h, name) =>
    back(cg.sigmoid(cg.dot(headsFirst(h, 3), matrices(name, 3, 2)))),
  "matrices that are stored transposed": (h, name) =>
    back(cg.dot(headsFirst(h, 3), matrices(name, 3, 2), { transposeB: true })),
  "rows as the columns of the right operand": (h, name) =>
    cg.transpose(cg.dot(matrices(name, 3, 2), cg.transpose(byHead(h, 3), [1, 2, 0]), { transposeA: true }), [2, 0, 1]),
  "rows of the left operand, transposed": (h, name) =>
    back(cg.dot(cg.transpose(byHead(h, 3), [1, 2, 0]), matrices(name, 3, 2), { transposeA: true })),
  "a matrix for every row": (h, name) => {
    const all = cg.broadcast(matrices(name, 3, 2), [rowsOf(h), 3, 2, 2]);
    return cg.dot(cg.reshape(h, [rowsOf(h), 3, 1, 2]), all);
  },
  "two axes of heads": (h, name) => {
    const parts = cg.transpose(cg.reshape(h, [rowsOf(h), 3, 2, 1]), [1, 2, 0, 3]);
    const weights = cg.reshape(cg.parameter(name, [6], cg.normal(1)), [3, 2, 1, 1]);
    return cg.transpose(cg.dot(parts, weights), [2, 0, 1, 3]);
  },
  "slices, maxima and sums between": (h, name) => {
    const out = cg.dot(headsFirst(h, 3), matrices(name, 3, 2, 3));
    const [first, others] = [cg.slice(out, 2, 0, 1), cg.slice(out, 2, 1, 2)];
    const most = cg.reduceMax(others, 2, { keepAxes: true });
    return back(cg.concat([cg.add(first, most), cg.sum(others, 2, { keepAxes: true })], 2));
  },
};

describe("heads as rows", () => {
  fewOf(Object.entries(products), (_, i) => i % 4 === 0)("%s", (name, product) => {
    const { graph, donate } = trainingStep(cellOf(name, product) as cg.CellDefinition, 6);
    const inputs = inputsOf(graph, false, { B: 2, T: 3 });
    const expected = interpret(graph, inputs);
    for (const schedule of ["resident", "persistent"] as const) {
      const program = planProgram(graph, { ...fewer(6), schedule, donate, chunkSteps: 2 });
      expect(program.schedules.map(({ reason }) => reason)).toEqual([
        expect.stringContaining("each of 3 heads"),
        expect.stringContaining("each of 3 heads"),
      ]);
      const outputs = evaluateProgram(program, named(graph, inputs), { subgroupSize: 4 });
      expect(farthest(outputs, expected)).toBeLessThan(1e-5);
    }
  });

  fewOf(
    [
      [4, 64, 3],
      [5, 5, 2],
      [2, 6, 1],
      [7, 21, 3],
    ],
    ([heads]) => heads === 7,
  )("%i heads of %i units, %i rows, with masked steps", (heads, units, B) => {
    const instance = slstm({ heads })(units);
    const batch = {
      xs: { dtype: "f32", shape: ["T", "B", 3] },
      mask: { dtype: "bool", shape: ["T", "B"] },
    } as const;
    const masked = cg.objective("masked", batch, ({ xs, mask }) => {
      const { outputs, state } = cg.scan(instance, xs, { mask });
      return cg.add(cg.sum(cg.square(outputs)), cg.sum(cg.square(state.c)));
    });
    const { graph, donate } = cg.trainingStep(masked, { optimizer: cg.sgd() });
    const inputs = inputsOf(graph, false, { B, T: 4 });
    const program = planProgram(graph, { ...fewer(units), schedule: "resident", donate });
    for (const { reason } of program.schedules) expect(reason).toContain(`each of ${heads} heads`);
    const outputs = evaluateProgram(program, named(graph, inputs), { subgroupSize: 4 });
    expect(farthest(outputs, interpret(graph, inputs))).toBeLessThan(1e-5);
  });

  test.each(["auto", "persistent"] as const)("second derivatives, %s", slow, (schedule) => {
    const programs = tracePrograms(slstm({ heads: 2 }), 4, 3);
    const sizes = { units: 4, features: 3, batch: 2, time: 3, carried: true, seed: 7 };
    const inputs = [...drawArguments(programs, sizes), ...drawWholeDirection(programs.arguments, sizes)];
    const second = programs.second();
    const program = planProgram(second, { ...fewer(4), schedule });
    expect(program.schedules).toHaveLength(4);
    const reasons = program.schedules.map(({ reason }) => reason);
    expect(reasons.filter((reason) => reason.includes("each of 2 heads")).length).toBeGreaterThan(1);
    // A loop that also returns what it is given for x has no rows of one head.
    expect(reasons.join()).toContain("since a value that all heads of a row share does not separate into its 2 heads");
    const outputs = evaluateProgram(program, named(second, inputs), { subgroupSize: 4 });
    expect(farthest(outputs, interpret(second, inputs))).toBeLessThan(1e-4);
  });

  test.each(["resident", "persistent"] as const)("mixed precision, %s", slow, (schedule) => {
    const { graph, donate } = trainingStep(slstm({ heads: 3 }) as cg.CellDefinition, 9);
    const inputs = inputsOf(graph, false, { B: 2, T: 3 });
    const program = planProgram(graph, { ...fewer(9), schedule, donate, precision: "mixed" });
    for (const { reason } of program.schedules) expect(reason).toContain("each of 3 heads");
    expect(program.halves?.filter(({ bits }) => bits === 16).length).toBeGreaterThan(2);
    const outputs = evaluateProgram(program, named(graph, inputs), { subgroupSize: 4 });
    expect(farthest(outputs, interpret(optimize(graph, { precision: "mixed" }), inputs))).toBeLessThan(2e-3);
  });

  test("an input that all heads of a row read", () => {
    const gated = cg.cell("gated", { state: ({ units }) => ({ h: [units] }) }, ({ x, h }) => {
      const product = cg.reshape(einsum(2)(h, "recurrent"), h.shape);
      const gate = cg.slice(x, 1, 1, 1);
      const next = cg.mul(cg.tanh(product), cg.broadcast(gate, h.shape));
      return { state: { h: next }, output: next };
    });
    const { graph, donate } = trainingStep(gated as cg.CellDefinition, 4);
    const inputs = inputsOf(graph, false, { B: 3, T: 3 });
    const program = planProgram(graph, { ...fewer(4), donate });
    // Its cotangent is a sum over all heads.
    expect(program.schedules.map(({ reason }) => reason)).toEqual([
      expect.stringContaining("each of 2 heads"),
      expect.stringContaining("heads share a workgroup"),
    ]);
    const outputs = evaluateProgram(program, named(graph, inputs), { subgroupSize: 4 });
    expect(farthest(outputs, interpret(graph, inputs))).toBeLessThan(1e-5);
  });

  test("weights stay at sizes where those of all units would not", slow, () => {
    for (const [units, heads] of [
      [512, 4],
      [512, 8],
      [1024, 8],
    ] as const) {
      const registers = { total: 2 ** 17, most: 256, reserved: 64 };
      const residents = schedulesOf(slstm({ heads }) as cg.CellDefinition, units, { registers });
      for (const { schedule, reason } of residents) {
        expect(schedule).toBe("resident");
        expect(reason).toMatch(
          /^\d+ lanes hold .*; each of \d heads of the batch's rows is a row(; above 64 rows \d+ lanes)?$/,
        );
      }
    }
    expect(schedulesOf(slstm() as cg.CellDefinition, 512).map(({ schedule }) => schedule)).not.toContain("resident");
  });
});

test("heads whose weights fit in one workgroup stay there", () => {
  const { graph, donate } = trainingStep(slstm({ heads: 3 }) as cg.CellDefinition, 6);
  const inputs = inputsOf(graph, false, { B: 2, T: 3 });
  const program = planProgram(graph, { ...gpu, donate });
  for (const { schedule, reason } of program.schedules) {
    expect(schedule).toBe("resident");
    expect(reason).toMatch(
      /^\d+ lanes hold the weights of a step in registers, \d+ to a lane(; above 64 rows \d+ lanes)?$/,
    );
  }
  const outputs = evaluateProgram(program, named(graph, inputs), { subgroupSize: 4 });
  expect(farthest(outputs, interpret(graph, inputs))).toBeLessThan(1e-5);
});

test("a step that crosses heads keeps them in one workgroup, and says why", slow, () => {
  const crossing = cellOf("crossing", (h, name) => centred(cg.reshape(einsum(2)(h, name), h.shape)));
  const both = cellOf("both", (h, name) => cg.add(cg.reshape(einsum(2)(h, name), h.shape), cg.dense("all", h, 8)));
  for (const [cell, why] of [
    [crossing, "sum of shape [B] does not separate into its 2 heads"],
    [both, "dot of shape [B, 8] does not separate into its 2 heads"],
  ] as const) {
    const { graph, donate } = trainingStep(cell as cg.CellDefinition, 8);
    const inputs = inputsOf(graph, false, { B: 3, T: 3 });
    const expected = interpret(graph, inputs);
    for (const [options, schedule] of [
      [gpu, "resident"],
      [fewer(8), "persistent"],
    ] as const) {
      const program = planProgram(graph, { ...options, donate });
      expect(new Set(program.schedules.map((note) => note.schedule))).toEqual(new Set([schedule]));
      const { reason } = at(program.schedules, 0);
      if (schedule === "persistent") expect(reason.endsWith(`; heads share a workgroup, since ${why}`)).toBe(true);
      const outputs = evaluateProgram(program, named(graph, inputs), { subgroupSize: 4 });
      expect(farthest(outputs, expected)).toBeLessThan(1e-5);
    }
  }
});

test("a normalization of each head does not cross them", () => {
  const normal = cellOf("normal", (h, name) => centred(byHead(cg.reshape(einsum(2)(h, name), h.shape), 2)));
  for (const { reason } of schedulesOf(normal as cg.CellDefinition, 8, fewer(8)))
    expect(reason).toContain("each of 2 heads");
});

test("a software adapter and a CPU keep heads together, stepwise", () => {
  for (const target of ["software", "cpu"] as const)
    for (const { schedule } of schedulesOf(slstm({ heads: 2 }) as cg.CellDefinition, 8, { target }))
      expect(schedule).toBe("stepwise");
});

test("numbers that share a word are not computed by two stages", () => {
  // Heads of one unit: once rows are in front, the product of the gated state is in another stage than before.
  const gated = cg.cell("gated", { state: ({ units }) => ({ h: [units], s: [units] }) }, ({ x, h, s, units }) => {
    const own = (name: string, state: Float) => cg.add(cg.dense(`${name}/x`, x, units), byUnit(name, state));
    const byUnit = (name: string, state: Float) => cg.reshape(einsum(units)(state, name), state.shape);
    const gate = cg.sigmoid(own("gate", h));
    const candidate = centred(byHead(cg.tanh(own("candidate", cg.mul(gate, h))), units));
    const next = cg.add(cg.mul(gate, s), cg.reshape(candidate, s.shape));
    return { state: { h: cg.tanh(next), s: next }, output: cg.tanh(next) };
  });
  const { graph, donate } = trainingStep(gated as cg.CellDefinition, 2);
  const inputs = inputsOf(graph, false, { B: 3, T: 3 });
  const program = planProgram(graph, { ...gpu, donate, precision: "mixed" });
  expect(program.schedules.map(({ schedule }) => schedule)).toEqual(["stepwise", "resident"]);
  expect(at(program.schedules, 0).reason).toContain("two results in f16 share a word");
  const outputs = evaluateProgram(program, named(graph, inputs), { subgroupSize: 4 });
  expect(farthest(outputs, interpret(optimize(graph, { precision: "mixed" }), inputs))).toBeLessThan(2e-3);
});
