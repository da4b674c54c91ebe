/**
 * @file Weights that pass by, on a GPU: in the evaluator, where a race or a read of nothing is a fault, and on a device,
 * forward and backward, for widths, depths and batches that leave a remainder everywhere. Each is compared with the
 * interpreter.
 */
import { afterAll, describe, expect, test } from "vitest";
import { zoo } from "../../cells/zoo.ts";
import type { DimSizes } from "../../compiler/graph/dim.ts";
import type { Expr, For, LocalArray } from "../../compiler/kernel/ir.ts";
import { expressionsIn, statementsIn } from "../../compiler/kernel/walk.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { optimize } from "../../compiler/optimize.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import type { LowerOptions } from "../../compiler/plan/lowering.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { languageModel } from "../../entries/networks.ts";
import * as cg from "../../index.ts";
import { farthest, inputsOf, named } from "../kernels/inputs.ts";
import { ProgramRunner } from "../support/programs.ts";
import { slow, someOf } from "../support/some-of.ts";
import { stepsIn } from "../support/steps.ts";

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

const cells: Readonly<Record<string, cg.CellDefinition>> = zoo;

function trainingStep(cell: string, units: number) {
  const network = languageModel({ cell: cells[cell] as cg.CellDefinition, units, embed: 3, vocabulary: 5 });
  return cg.trainingStep(network, { optimizer: cg.sgd() });
}

/** Registers of an AMD GPU. */
const many = { total: 131_072, most: 256, reserved: 64 };

const evaluated = { target: "gpu", schedule: "persistent" } as const;

type Options = LowerOptions & { readonly precision?: "mixed" };

/** One rounding more or less of an f16 number, or some of f32. */
const tolerance = ({ precision }: Options) => (precision === "mixed" ? 2 ** -10 : 1e-5);

/** How far the outputs of a training step are from the interpreter's, which rounds what the options do. */
async function errorOf(step: cg.TrainingStep, sizes: DimSizes, options: Options, where: "evaluator" | "device") {
  const { graph, donate } = step;
  const inputs = inputsOf(graph, false, sizes);
  const own = { ...evaluated, ...options, donate };
  const outputs =
    where === "device"
      ? await runner.run(graph, inputs, own)
      : evaluateProgram(planProgram(graph, own), named(graph, inputs), { subgroupSize: 32 });
  const { precision } = options;
  return farthest(outputs, interpret(precision === undefined ? graph : optimize(graph, { precision }), inputs));
}

describe("in the evaluator, where a race or a read of nothing is a fault", () => {
  const cases = [
    ["rnn", 1, 1, {}],
    ["rnn", 3, 17, { registers: many, precision: "mixed" }],
    ["gru", 17, 3, {}],
    ["recurrent-highway", 5, 3, {}],
    ["lstm", 17, 5, { neighbours: 4, tuning: { persistentRows: 4 } }],
    ["lstm", 34, 2, { maxInvocations: 1024, neighbours: 32, chunkSteps: 1 }],
    ["gru", 40, 3, { neighbours: 2, tuning: { persistentRows: 2 } }],
    ["rnn", 83, 2, { maxInvocations: 64, registers: many }],
  ] as const;
  someOf(
    cases,
    ([, units, rows]) => units < 17 || rows === 5,
    (_, i) => i < 2,
  )("%s of %d units, %d rows, %j", async (cell, units, B, options) => {
    const error = await errorOf(trainingStep(cell, units), { B, T: 3 }, options, "evaluator");
    expect(error).toBeLessThan(tolerance(options));
  });

  test("a product of a state, and one of its second half, whose steps are those of other lanes", async () => {
    const halves = cg.cell("halves", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
      const half = cg.slice(h, 1, units / 2, units / 2);
      const next = cg.tanh(cg.add(cg.dense("whole", [x, h], units), cg.dense("half", [half], units)));
      return { state: { h: next }, output: next };
    });
    const network = languageModel({ cell: halves, units: 24, embed: 3, vocabulary: 5 });
    const step = cg.trainingStep(network, { optimizer: cg.sgd() });
    expect(await errorOf(step, { B: 2, T: 3 }, {}, "evaluator")).toBeLessThan(1e-5);
  });

  test("a state that its stage reads elsewhere after the products", async () => {
    const rolled = cg.cell("rolled", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
      const [first, second] = [cg.slice(h, 1, 0, units / 2), cg.slice(h, 1, units / 2, units / 2)];
      const next = cg.tanh(cg.add(cg.dense("all", [x, h], units), cg.concat([second, first], 1)));
      return { state: { h: next }, output: next };
    });
    const network = languageModel({ cell: rolled, units: 6, embed: 3, vocabulary: 5 });
    const step = cg.trainingStep(network, { optimizer: cg.sgd() });
    expect(await errorOf(step, { B: 2, T: 3 }, {}, "evaluator")).toBeLessThan(1e-5);
  });

  test("a weight that is infinite makes one sum infinite: what fills a vector adds nothing to it", () => {
    const shapes = { x: [1, 2, 17], h: [2, 17], w: [17, 17] };
    const inputs = Object.entries(shapes).map(([name, shape]) => ({ name, dtype: "f32" as const, shape }));
    type Float = cg.Tensor<"f32">;
    const graph = cg.traceGraph("infinite", inputs, ([x, h, w]) => {
      const step = ([before]: readonly cg.Tensor[], [now]: readonly cg.Tensor[]) => {
        const next = cg.add(cg.dot(before as Float, w as Float), now as Float);
        return { carries: [next], ys: [next] };
      };
      return cg.scanTensors(step, [h as Float], [x as Float]).ys;
    });
    const ones = (shape: readonly number[]) => cg.ndarray(shape, Array<number>(shape.reduce((a, b) => a * b)).fill(1));
    const weights = cg.ndarray([17, 17], [...Array<number>(288).fill(1), Number.POSITIVE_INFINITY]);
    const given = { x: ones(shapes.x), h: ones(shapes.h), w: weights };
    const [sums] = evaluateProgram(planProgram(graph, { ...evaluated, neighbours: 4 }), given, { subgroupSize: 32 });
    expect([...(sums?.data ?? [])]).toEqual([0, 1].flatMap(() => [...Array(16).fill(18), Number.POSITIVE_INFINITY]));
  });

  test("sums are the same bits in subgroups of any size and through memory", slow, () => {
    const { graph, donate } = trainingStep("lstm", 16);
    const inputs = named(graph, inputsOf(graph, false, { B: 2, T: 3 }));
    const [first, ...others] = [16, 4, 2, 1].map((neighbours) => {
      const options = { ...evaluated, neighbours, donate, tuning: { persistentRows: 1 } };
      return evaluateProgram(planProgram(graph, options), inputs, { subgroupSize: neighbours });
    });
    expect(others).toEqual([first, first, first]);
  });
});

describe("on a device", () => {
  const cases = [
    ["rnn", 1, 3, {}],
    ["rnn", 129, 17, { registers: many }],
    ["gru", 33, 3, { precision: "mixed" }],
    ["lstm", 33, 1, { neighbours: 4, chunkSteps: 2 }],
    // More steps of the depth to a lane than a partial sum has terms.
    ["rnn", 300, 2, { registers: { total: 4100, most: 256, reserved: 0 }, tuning: { persistentRows: 1 } }],
  ] as const;
  // One that has whole vectors and one with a remainder.
  someOf(
    cases,
    ([, units, rows]) => units === 1 || rows === 1,
    ([, units]) => units === 1,
  )("%s of %d units, %d rows, %j", async (cell, units, B, options) => {
    const error = await errorOf(trainingStep(cell, units), { B, T: 2 }, options, "device");
    expect(error).toBeLessThan(tolerance(options));
  });

  test("batches on both sides of a bound, whose workgroups have more rows", slow, async () => {
    const step = trainingStep("rnn", 8);
    for (const B of [4, 5, 17]) expect(await errorOf(step, { B, T: 2 }, {}, "device")).toBeLessThan(1e-5);
  });
});

describe("a program", () => {
  const { graph, donate } = trainingStep("rnn", 8);
  const rowsOf = (options: LowerOptions, B: number) =>
    stepsIn(planProgram(graph, { ...evaluated, ...options, donate }), { B, T: 1 }).flatMap((step) =>
      step.kind === "dispatch" && step.chunks !== undefined ? step.grid.map(({ rowsPer }) => rowsPer) : [],
    );

  test("has more rows to a workgroup for larger batches, as far as registers and memory allow", slow, () => {
    const ofMany = { registers: many };
    expect([1, 4, 5, 17, 65].map((B) => new Set(rowsOf(ofMany, B)))).toEqual([1, 1, 2, 4, 8].map((n) => new Set([n])));
    expect(new Set(rowsOf({}, 65))).toEqual(new Set([4]));
    expect(new Set(rowsOf({ ...ofMany, maxWorkgroupBytes: 256 }, 65))).not.toContain(8);
    for (let maxWorkgroupBytes = 128; maxWorkgroupBytes <= 1024; maxWorkgroupBytes += 64) {
      const { kernels } = planProgram(graph, { ...evaluated, ...ofMany, maxWorkgroupBytes, donate });
      const loops = kernels.filter(({ code }) => code.buffers.some(({ array }) => array.element === "f32x4"));
      for (const { code } of loops) expect(bytesOf(code.shared)).toBeLessThanOrEqual(maxWorkgroupBytes);
    }
    expect(new Set(rowsOf({ ...ofMany, tuning: { persistentRows: 2 } }, 65))).toEqual(new Set([2]));
  });

  test("packs weights once for all batches", () => {
    const program = planProgram(graph, { ...evaluated, donate });
    const packed = program.buffers.flatMap(({ name }, i) => (name.startsWith("panels") ? [i] : []));
    const writers = program.kernels.filter(({ code }) =>
      code.buffers.some(({ array, access }) => packed.includes(array.buffer) && access === "read_write"),
    );
    expect(writers).toHaveLength(2);
    const readers = program.kernels.filter(({ code }) =>
      code.buffers.some(({ array }) => packed.includes(array.buffer) && array.element === "f32x4"),
    );
    expect(readers.length).toBeGreaterThan(2);
  });

  test("loads fewer vectors together where lanes share reductions, whose elements take registers", slow, () => {
    const together = (cell: string, most: number) => {
      const large = trainingStep(cell, 256);
      const registers = { total: 1e6, most, reserved: 0 };
      const program = planProgram(large.graph, {
        ...evaluated,
        registers,
        maxWorkgroupBytes: 65536,
        donate: large.donate,
      });
      const loops = program.kernels.flatMap(({ code }) =>
        code.parts.flatMap(({ body }) =>
          statementsIn(body).flatMap((each) => (each.kind === "for" && isPanelLoop(each) ? [each] : [])),
        ),
      );
      const vectors = loops.map((loop) =>
        expressionsIn(loop.body).filter((expr) => expr.type === "f32x4" && expr.kind === "load"),
      );
      return Math.max(0, ...vectors.map(({ length }) => length));
    };
    expect(together("lstm", 112)).toBe(together("lstm", 256));
    expect(together("layer-norm-lstm", 112)).toBeLessThan(together("layer-norm-lstm", 256));
  });

  test("has loops over the depth whose indices in a slot are constants and their own variables", () => {
    const large = trainingStep("lstm", 64);
    const program = planProgram(large.graph, { ...evaluated, donate: large.donate });
    const loops = program.kernels.flatMap(({ code }) =>
      code.parts.flatMap(({ body }) => statementsIn(body).filter((each) => each.kind === "for" && isPanelLoop(each))),
    );
    expect(loops.length).toBeGreaterThan(0);
    for (const loop of loops) {
      if (loop.kind !== "for") continue;
      expect([loop.first, loop.step, loop.end].every(({ kind }) => kind === "literal")).toBe(true);
      const indices = expressionsIn(loop.body).flatMap((expr) =>
        expr.kind === "load" && expr.array.space === "shared" ? [expr.operands[0]] : [],
      );
      expect(indices.length).toBeGreaterThan(0);
      const bound = new Map(loop.body.flatMap((each) => (each.kind === "let" ? [[each.variable, each.value]] : [])));
      for (const index of indices) expect(leavesOf(index, bound)).toEqual(new Set([loop.variable]));
    }
  });
});

/** Bytes of arrays whose elements have four. */
const bytesOf = (arrays: readonly LocalArray[]) =>
  arrays.reduce((sum, { length, slots }) => sum + 4 * length * slots, 0);

const isPanelLoop = (loop: For) =>
  loop.axis.role === "depth" &&
  expressionsIn(loop.body).some(
    (expr) => expr.kind === "load" && expr.array.space === "global" && expr.type === "f32x4",
  );

/** The variables of an index that are not bound in the loop. */
function leavesOf(expr: Expr, bound: ReadonlyMap<Expr, Expr>): Set<Expr> {
  const value = bound.get(expr);
  if (value !== undefined) return leavesOf(value, bound);
  if (expr.kind === "literal") return new Set();
  return expr.kind === "apply" ? new Set(expr.operands.flatMap((each) => [...leavesOf(each, bound)])) : new Set([expr]);
}
