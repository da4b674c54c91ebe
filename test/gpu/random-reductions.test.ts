/**
 * @file Random recurrent steps made of reductions, on a GPU's rules: sums, maxima and means of rows and of heads, several
 * in a row, reductions of reductions, of integers too; their results are carried on, returned, and read by every lane. In
 * the evaluator, where a race and a read of nothing are faults, and on a device; forward and backward, in the schedules
 * persistent and resident. CELLGRAD_SEED selects others, CELLGRAD_CELLS how many.
 *
 * @module-tag slow
 */
import { afterAll, expect } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { evaluateProgram } from "../../compiler/plan/evaluate-program.ts";
import type { LowerOptions } from "../../compiler/plan/lowering.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import * as cg from "../../index.ts";
import { interpret } from "../../index.ts";
import { generator } from "../../testing/numbers/random-data.ts";
import { farthest, inputsOf, named } from "../kernels/inputs.ts";
import { ProgramRunner } from "../support/programs.ts";
import { someOf } from "../support/some-of.ts";

type Float = cg.Tensor<"f32">;

const runner = await ProgramRunner.open();
afterAll(() => runner.destroy());

type Draw = <T>(from: readonly T[]) => T;

/** Widths of the values of a step: those of the units, of a head's units, and one number per head and per row. */
interface Widths {
  readonly units: number;
  readonly heads: number;
}

const perRow = { keepAxes: true } as const;
const repeated = (a: Float, width: number): Float => cg.broadcast(cg.reshape(a, ["B", 1]), ["B", width]);

/** A step with random values of each width, in the order in which they are computed. */
function randomStep(draw: Draw, { units, heads }: Widths, x: Float, weights: readonly Float[], states: Float[]) {
  const values = new Map<number, Float[]>();
  const add = (value: Float) => {
    const width = Number(value.shape[1]);
    values.set(width, [...(values.get(width) ?? []), value]);
    return value;
  };
  for (const state of states) add(state);
  add(x);
  const of = (width: number) => draw(values.get(width) ?? [repeated(draw(values.get(1) as Float[]), width)]);
  // Recent values make chains.
  const last = (width: number) => values.get(width)?.at(-1) ?? of(width);
  const byHead = (a: Float) => cg.reshape(a, ["B", heads, units / heads]);
  const reduce = (a: Float, axes: number | number[]): Float =>
    draw([
      () => cg.sum(cg.tanh(a), axes, perRow),
      () => cg.reduceMax(a, axes, perRow),
      () => cg.mean(cg.square(cg.tanh(a)), axes, perRow),
      () => cg.cast(cg.sum(cg.cast(cg.less(a, 0.1), "i32"), axes, perRow), "f32"),
    ])();
  const rules: readonly (() => Float)[] = [
    () => cg.tanh(cg.dot(of(units), draw(weights))),
    () => cg.add(cg.dot(last(units), draw(weights)), cg.dot(of(units), draw(weights))),
    () => reduce(last(units), 1),
    () => reduce(cg.mul(of(units), last(units)), 1),
    () => reduce(last(heads), 1),
    () => cg.reshape(reduce(byHead(last(units)), 2), ["B", heads]),
    () => cg.reshape(reduce(cg.reshape(last(units), ["B", units / heads, heads]), [1]), ["B", heads]),
    () => cg.softmax(last(units), 1),
    // A row may be all one number: a small epsilon would magnify its rounding.
    () => cg.standardize(of(units), 1, 0.1),
    () => cg.mul(last(units), repeated(last(1), units)),
    () => cg.div(of(units), cg.add(cg.abs(repeated(of(1), units)), 1)),
    () => cg.add(of(heads), repeated(last(1), heads)),
    () =>
      cg.reshape(
        cg.mul(byHead(of(units)), cg.broadcast(cg.reshape(of(heads), ["B", heads, 1]), ["B", heads, units / heads])),
        ["B", units],
      ),
    () => cg.sub(of(1), cg.sigmoid(last(1))),
    () => cg.max(of(1), last(1)),
  ];
  const steps = 3 + draw([0, 2, 4, 7]);
  for (let i = 0; i < steps; i++) add(draw(rules)());
  // A state may be passed on as it is, or be another state.
  const carries = states.map((state) => {
    const width = Number(state.shape[1]);
    return draw([() => cg.tanh(last(width)), () => cg.tanh(last(width)), () => of(width), () => last(width)])();
  });
  return { carries, ys: [units, heads, 1].map((width) => draw([of, last])(width)) };
}

function randomGraph(seed: number, { units, heads }: Widths) {
  const random = generator(seed);
  const draw: Draw = (from) => from[Math.floor(random() * from.length)] as never;
  const widths = [units, heads, 1, 1];
  const f32 = (name: string, ...shape: cg.Dim[]) => ({ name, dtype: "f32", shape }) as const;
  const inputs = [
    f32("x", "T", "B", units),
    ...[0, 1].map((i) => f32(`w${i}`, units, units)),
    ...widths.map((width, i) => f32(`s${i}`, "B", width)),
  ];
  return cg.traceGraph("reductions", inputs, (tensors) => {
    const [x, ...given] = tensors as [Float, ...Float[]];
    const loss = ([x, ...given]: readonly Float[]) => {
      const weights = given.slice(0, 2).map((each) => cg.mul(each, 1 / Math.sqrt(units)));
      const step = (states: readonly cg.Tensor[], [row]: readonly cg.Tensor[]) =>
        randomStep(draw, { units, heads }, row as Float, weights, [...states] as Float[]);
      const { carries, ys } = cg.scanTensors(step, given.slice(2), [x as Float]);
      const all = [...carries, ...ys] as Float[];
      return all.map((each, i) => cg.mul(cg.sum(cg.sin(each)), 1 + i / 7)).reduce((a, b) => cg.add(a, b));
    };
    const { value, grad } = cg.valueAndGrad(loss)([x, ...given]);
    return [value, ...(grad as Float[])];
  });
}

const sizes: readonly (Widths & { readonly B: number })[] = [
  { units: 1, heads: 1, B: 2 },
  { units: 3, heads: 3, B: 3 },
  { units: 8, heads: 2, B: 3 },
  { units: 20, heads: 4, B: 1 },
  { units: 33, heads: 3, B: 2 },
  { units: 100, heads: 10, B: 2 },
];

const cells = Number(process.env.CELLGRAD_CELLS ?? 4);
const firstSeed = Number(process.env.CELLGRAD_SEED ?? 1);
const chosen = Array.from({ length: cells }, (_, i) => firstSeed + i);
/** Once, how many rows a workgroup had followed from its subgroups, and the order of sums from that. */
const seeds = process.env.CELLGRAD_SEED === undefined ? [...chosen, 311] : chosen;
const registers = { total: 1e6, most: 300, reserved: 0 };

/** Where f32 does not determine the numbers, another schedule, in which no lanes share a step's sums, is off as well. */
function toleranceOf(graph: Graph, inputs: readonly NdArray[], expected: readonly NdArray[]): number {
  const stepwise = planProgram(graph, { target: "software", schedule: "stepwise" });
  const error = farthest(evaluateProgram(stepwise, named(graph, inputs)), expected);
  expect(error).toBeLessThan(1e-2);
  return Math.max(1e-4, 8 * error);
}

someOf(seeds, (_, i) => i === 0 || i === 3)("seed %i", async (seed) => {
  const size = at(sizes, seed % sizes.length);
  const graph = randomGraph(seed, size);
  const inputs = inputsOf(graph, false, { B: size.B, T: 2 });
  const expected = interpret(graph, inputs);
  const tolerance = toleranceOf(graph, inputs, expected);
  const rows = at([1, 1, 2, 4], seed % 4);
  const schedules: LowerOptions[] = [
    { tuning: { schedule: "persistent", persistentRows: rows } },
    { tuning: { schedule: "resident" }, registers },
  ];
  for (const options of schedules) {
    const common = { target: "gpu", maxInvocations: 1024, ...options } as const;
    const runs = (size.units > 30 ? [1, 32] : [1, 4, 32]).map((neighbours, i) => {
      const program = planProgram(graph, { ...common, neighbours, chunkSteps: at([100, 1, 2], i) });
      return evaluateProgram(program, named(graph, inputs), { subgroupSize: neighbours });
    });
    for (const outputs of runs) expect(farthest(outputs, expected)).toBeLessThan(tolerance);
    for (const outputs of runs) expect(outputs).toEqual(runs[0]);
  }
  if (seed % 2 !== 0 || size.units > 10) return;
  const onDevice = { ...at(schedules, (seed / 2) % 2), target: "gpu", maxInvocations: 256, neighbours: 4 } as const;
  expect(farthest(await runner.run(graph, inputs, onDevice), expected)).toBeLessThan(tolerance);
});
