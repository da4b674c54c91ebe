/**
 * @file Reductions of a step that all lanes of a workgroup share on a GPU: in the evaluator, where a race or a read of
 * nothing is a fault, and on a device; with subgroups of several sizes and through memory, forward and backward, in the
 * schedules persistent and resident. Each is compared with the interpreter.
 */
import { afterAll, describe, expect, test } from "vitest";
import { zoo } from "../../cells/zoo.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { type NdArray, ndarray } from "../../compiler/graph/ndarray.ts";
import type { KernelCode } from "../../compiler/kernel/ir.ts";
import { statementsIn } from "../../compiler/kernel/walk.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import type { LowerOptions } from "../../compiler/plan/lowering.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { languageModel } from "../../entries/networks.ts";
import * as cg from "../../index.ts";
import { farthest, inputsOf, named } from "../kernels/inputs.ts";
import { ProgramRunner } from "../support/programs.ts";
import { slow, someOf } from "../support/some-of.ts";

const { interpret } = cg;
type Float = cg.Tensor<"f32">;

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

/** A state that is divided by its softmax's largest part, and each half by its own sum of magnitudes. */
const weighted = cg.cell("weighted", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const z = cg.dense("all", [x, h], units);
  const shares = cg.softmax(z);
  const halves = cg.reshape(z, ["B", 2, units / 2]);
  const sizes = cg.add(cg.sum(cg.abs(halves), 2, { keepAxes: true }), 1);
  const scaled = cg.reshape(cg.div(halves, cg.broadcast(sizes, halves.shape)), z.shape);
  const most = cg.broadcast(cg.reduceMax(shares, 1, { keepAxes: true }), shares.shape);
  const next = cg.add(cg.tanh(scaled), cg.mul(shares, most));
  return { state: { h: next }, output: next };
});

/** Gates that are divided by a sum over fewer units, which lanes without one of these need too. */
const divided = cg.cell("divided", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const size = cg.add(cg.sum(cg.abs(h), 1, { keepAxes: true }), 1);
  const gates = cg.dense("all", [h, x], 3 * units);
  const next = cg.tanh(cg.div(gates, cg.broadcast(size, gates.shape)));
  const [a, b, c] = cg.split(next, 3) as [Float, Float, Float];
  const state = cg.add(cg.mul(a, b), c);
  return { state: { h: state }, output: state };
});

const cells: Readonly<Record<string, cg.CellDefinition>> = {
  ...zoo,
  weighted: weighted as cg.CellDefinition,
  divided: divided as cg.CellDefinition,
};

function stepOf(name: string, units: number) {
  const network = languageModel({ cell: cells[name] as cg.CellDefinition, units, embed: 3, vocabulary: 5 });
  return cg.trainingStep(network, { optimizer: cg.sgd() });
}

const evaluated = (graph: Graph, inputs: readonly NdArray[], options: LowerOptions, subgroupSize = 32) =>
  evaluateProgram(planProgram(graph, { target: "gpu", maxInvocations: 1024, ...options }), named(graph, inputs), {
    subgroupSize,
  });

const sharedBytes = ({ shared }: KernelCode) => shared.reduce((sum, { length, slots }) => sum + 4 * length * slots, 0);

/** Whether the loops of a program combine parts of lanes; products whose weights pass by, which do so too, are tuned away. */
const combines = (graph: Graph, { tuning, ...options }: LowerOptions) =>
  planProgram(graph, {
    ...{ target: "gpu", maxInvocations: 1024, ...options },
    tuning: { ...tuning, persistentColumns: 1 },
  }).kernels.some(
    ({ code }) =>
      code.parts.some(({ body }) =>
        statementsIn(body).some((each) => each.kind === "for" && each.mapping === "time"),
      ) &&
      code.parts.some(({ body }) =>
        statementsIn(body).some((each) => each.kind === "let" && each.variable.name.startsWith("part")),
      ),
  );

describe("in the evaluator", () => {
  const cases = [
    ["layer-norm-lstm", 8, { schedule: "resident" }],
    ["layer-norm-lstm", 33, { schedule: "resident", registers: { total: 1e6, most: 300, reserved: 0 } }],
    ["layer-norm-lstm", 12, { schedule: "persistent" }],
    ["layer-norm-lstm", 20, { schedule: "persistent", tuning: { persistentRows: 2 } }],
    ["mlstm", 8, { schedule: "persistent" }],
    ["weighted", 24, { schedule: "resident" }],
    ["weighted", 40, { schedule: "persistent", chunkSteps: 1 }],
    ["weighted", 270, { schedule: "persistent" }],
    ["divided", 16, { schedule: "resident" }],
    ["slstm", 16, { schedule: "persistent" }],
  ] as const;
  // Each cell in one schedule.
  const always = ["layer-norm-lstm 12", "mlstm 8", "weighted 24", "divided 16", "layer-norm-lstm 8"];
  someOf(
    cases,
    ([name, units]) => always.includes(`${name} ${units}`),
    () => false,
  )("%s of %i units, %o", (name, units, options) => {
    const { graph, donate } = stepOf(name, units);
    const inputs = inputsOf(graph, false, { B: units === 270 ? 1 : 3, T: 2 });
    const expected = interpret(graph, inputs);
    const runs = (units === 270 ? [32] : units === 24 ? [1, 4, 8, 32] : [1, 32]).map((neighbours) =>
      evaluated(graph, inputs, { ...options, donate, neighbours }, neighbours),
    );
    for (const outputs of runs) expect(farthest(outputs, expected)).toBeLessThan(1e-5);
    // The order of a sum belongs to its form.
    for (const outputs of runs) expect(outputs).toEqual(runs[0]);
    if (!["slstm", "mlstm"].includes(name)) expect(combines(graph, { ...options, donate })).toBe(true);
  });

  test("no step and no row", slow, () => {
    const { graph, donate } = stepOf("layer-norm-lstm", 8);
    for (const sizes of [
      { B: 2, T: 0 },
      { B: 0, T: 2 },
    ]) {
      const inputs = inputsOf(graph, false, sizes);
      const rounded = ({ data }: NdArray) => [...data].map((x) => +x.toFixed(5));
      const outputs = evaluated(graph, inputs, { schedule: "resident", donate, neighbours: 4 }, 4);
      expect(outputs.map(rounded)).toEqual(interpret(graph, inputs).map(rounded));
    }
  });
});

describe("on the device", () => {
  const cases = [
    ["layer-norm-lstm", 12, { schedule: "resident" }],
    ["layer-norm-lstm", 36, { schedule: "persistent" }],
    ["weighted", 40, { schedule: "persistent", tuning: { persistentRows: 4 } }],
    ["weighted", 40, { schedule: "resident", chunkSteps: 2 }],
  ] as const;
  const inBothSchedules = someOf(
    cases,
    ([name], i) => name === "weighted" || i > 1,
    () => false,
  );
  inBothSchedules("%s of %i units, %o", async (name, units, options) => {
    const { graph, donate } = stepOf(name, units);
    const inputs = inputsOf(graph, false, { B: 5, T: 4 });
    for (const neighbours of [1, 4])
      expect(await runner.error(graph, inputs, { ...options, donate, neighbours, target: "gpu" })).toBeLessThan(1e-5);
  });
});

/** Sums and maxima of a sequence's rows, carried on. */
const totals = cg.traceGraph("totals", [{ name: "x", dtype: "f32", shape: ["T", "B", 37] }], ([x]) => {
  const step = ([c]: readonly cg.Tensor[], [row]: readonly cg.Tensor[]) => {
    const total = cg.sum(row as Float, 1, { keepAxes: true });
    const most = cg.reduceMax(row as Float, 1, { keepAxes: true });
    const next = cg.add(c as Float, total);
    return { carries: [next], ys: [cg.add(next, most), cg.mul(row as Float, cg.broadcast(total, ["B", 37]))] };
  };
  const { carries, ys } = cg.scanTensors(step, [cg.zeros(["B", 1])], [x as Float]);
  return [...carries, ...ys];
});

const f32 = (name: string, ...shape: cg.Dim[]) => ({ name, dtype: "f32", shape }) as const;

/** A loop over x [T, B, 16] with a state of 16 units and two states of one number. */
function loopOf(
  step: (states: readonly [h: Float, s: Float, t: Float], row: Float, weights: Float) => readonly cg.Tensor[],
  outputs: number,
): Graph {
  const inputs = [f32("x", "T", "B", 16), f32("w", 16, 16), f32("h", "B", 16), f32("s", "B", 1), f32("t", "B", 1)];
  return cg.traceGraph("uniform", inputs, ([x, w, ...given]) => {
    const body = (states: readonly cg.Tensor[], [row]: readonly cg.Tensor[]) => {
      const all = step(states as [Float, Float, Float], row as Float, w as Float);
      return { carries: all.slice(0, 3), ys: all.slice(3) };
    };
    const { carries, ys } = cg.scanTensors(body, given, [x as Float]);
    expect(ys.length).toBe(outputs);
    return [...carries, ...ys];
  });
}

const wide = (a: Float) => cg.broadcast(a, ["B", 16]);

describe("one number of a row, which every lane has", () => {
  const registers = { total: 1e6, most: 300, reserved: 0 };
  const check = (graph: Graph) => {
    const inputs = inputsOf(graph, false, { B: 3, T: 4 });
    const expected = interpret(graph, inputs);
    for (const schedule of ["persistent", "resident"] as const)
      for (const chunkSteps of [1, 100]) {
        const options = { schedule, registers, chunkSteps, neighbours: 8 };
        expect(farthest(evaluated(graph, inputs, options, 8), expected), schedule).toBeLessThan(1e-5);
      }
  };

  test("states that are passed on stay in memory", () => {
    check(
      loopOf(([h, s, t], row, w) => {
        const next = cg.tanh(cg.add(cg.dot(h, w), cg.mul(row, wide(s))));
        return [next, t, s, cg.add(cg.sum(cg.mul(h, row), 1, { keepAxes: true }), t)];
      }, 1),
    );
  });

  test("what is computed once is read by lanes of every unit", () => {
    check(
      loopOf(([h, s, t], row, w) => {
        const rate = cg.sigmoid(cg.exp(cg.sin(cg.add(s, t))));
        const next = cg.tanh(cg.add(cg.dot(cg.mul(h, wide(rate)), w), row));
        return [next, rate, cg.sum(next, 1, { keepAxes: true }), cg.mul(next, wide(rate))];
      }, 1),
    );
  });

  test("what a state was before its register changed", () => {
    const graph = loopOf(([h, s, t], row, w) => {
      const before = cg.reshape(s, ["B", 1, 1]);
      const total = cg.sum(h, 1, { keepAxes: true });
      const all = cg.mul(h, wide(cg.tanh(total)));
      const column = cg.slice(w, 1, 0, 1);
      // The next s is known before the last stage reads what it was.
      const next = cg.add(cg.div(s, 2), cg.dot(all, column));
      const scaled = cg.div(cg.dot(all, w), cg.add(wide(cg.abs(next)), 1));
      const most = cg.reduceMax(scaled, 1, { keepAxes: true });
      const late = cg.mul(cg.reshape(cg.sigmoid(before), ["B", 1]), most);
      const read = cg.add(cg.reshape(before, ["B", 1]), most);
      return [cg.tanh(cg.add(scaled, row)), next, cg.add(cg.div(t, 2), cg.add(late, read)), before];
    }, 1);
    check(graph);
  });
});

test("exchanges take no more workgroup memory than the device has", slow, () => {
  const graph = loopOf(([h, s, t], row, w) => {
    const total = (each: cg.Tensor) => cg.sum(each as Float, 1, { keepAxes: true });
    const five = [h, cg.mul(row, h), cg.square(h), cg.abs(h), cg.tanh(h)].map(total).reduce((a, b) => cg.add(a, b));
    const scaled = cg.tanh(cg.div(cg.dot(h, w), cg.add(cg.abs(wide(five)), 1)));
    const whole = cg.sum(cg.cast(cg.less(row, scaled), "i32"), 1, { keepAxes: true });
    const after = total(cg.tanh(cg.mul(scaled, wide(cg.cast(whole, "f32")))));
    return [scaled, after, cg.add(s, t), five];
  }, 1);
  const inputs = inputsOf(graph, false, { B: 2, T: 2 });
  const expected = interpret(graph, inputs);
  const found = new Set<boolean>();
  // In two exchanges and in one.
  const limits = [1, 8].flatMap((neighbours) =>
    Array.from({ length: 100 }, (_, i) => [neighbours, 64 + 16 * i] as const),
  );
  for (const [neighbours, bytes] of limits) {
    const tuning = neighbours === 1 ? { persistentColumns: 1 } : {};
    const options = { target: "gpu", schedule: "persistent", neighbours, maxWorkgroupBytes: bytes, tuning } as const;
    let program: ReturnType<typeof planProgram>;
    try {
      program = planProgram(graph, options);
    } catch (error) {
      expect(String(error)).toMatch(/workgroup memory/);
      continue;
    }
    for (const kernel of program.kernels) expect(sharedBytes(kernel.code)).toBeLessThanOrEqual(bytes);
    if (neighbours === 1) found.add(combines(graph, options));
    if (bytes % 512 === 0)
      expect(farthest(evaluateProgram(program, named(graph, inputs), { subgroupSize: 8 }), expected)).toBeLessThan(
        1e-5,
      );
  }
  // Where memory is short, lanes do not share.
  expect([...found].sort()).toEqual([false, true]);
});

test("NaN and infinities are those of the interpreter", () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const [given] = inputsOf(totals, false, { B: 2, T: 3 });
    const { shape, data } = at([given], 0) as NdArray;
    const inputs = [
      ndarray(
        shape,
        [...data].map((x, i) => (i === 40 ? value : x)),
      ),
    ];
    const special = ({ data: numbers }: NdArray) => [...numbers].map((x) => (Number.isFinite(x) ? +x.toFixed(4) : x));
    for (const neighbours of [1, 32])
      expect(evaluated(totals, inputs, { schedule: "persistent", neighbours }).map(special)).toEqual(
        interpret(totals, inputs).map(special),
      );
  }
});

test("a mean of a row waits in no workgroup memory", () => {
  const { graph, donate } = stepOf("layer-norm-lstm", 32);
  const program = planProgram(graph, {
    target: "gpu",
    schedule: "resident",
    donate,
    neighbours: 32,
    maxInvocations: 1024,
  });
  for (const { code } of program.kernels.filter(({ label }) => label.startsWith("layer-norm-lstm")))
    expect(code.shared.filter(({ length }) => length === 1)).toEqual([]);
});

test("a software adapter has one lane to a sum", () => {
  const { graph, donate } = stepOf("layer-norm-lstm", 32);
  expect(combines(graph, { target: "software", donate })).toBe(false);
});
