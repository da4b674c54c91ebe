/**
 * @file Every choice of a tuning by itself, for both kinds of target: a recurrent network's loss and gradient are the
 * interpreter's. Sizes leave a remainder in every tile and every unrolled loop.
 *
 * @module-tag slow
 */
import { afterAll, describe, expect, test } from "vitest";
import { minGru } from "../../cells/min-gru.ts";
import { rnn } from "../../cells/rnn.ts";
import { valueAndGrad } from "../../compiler/autodiff/gradient.ts";
import { compileProgram } from "../../compiler/compile.ts";
import { type Cell, scan } from "../../compiler/dsl/cell.ts";
import { model } from "../../compiler/dsl/model.ts";
import type { ParameterTensors } from "../../compiler/dsl/parameters.ts";
import { at } from "../../compiler/graph/errors.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { mean, square } from "../../compiler/ops/composed.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { type NamedAval, traceGraph } from "../../compiler/ops/trace.ts";
import type { Program } from "../../compiler/plan/program.ts";
import type { Target } from "../../compiler/plan/stages/tiles.ts";
import { checkedTuning, type Tuning, tuningGrid } from "../../compiler/plan/tuning.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { GpuContext } from "../../runtime/context.ts";
import { LoadedProgram } from "../../runtime/loaded-program.ts";
import { someOf } from "../support/some-of.ts";
import { difference } from "../train/devices.ts";

type Float = Tensor<"f32">;

const [features, batch, time] = [7, 5, 3];

/** The inputs x and weights of a recurrent network, and the graph of its loss and gradient. */
function lossAndGradient(cell: Cell) {
  const network = model("network", (x: Float) => mean(square(scan(cell, x).outputs)));
  const specs = network.specs({ dtype: "f32", shape: ["T", "B", features] });
  const inputs: readonly NamedAval[] = [
    { name: "x", dtype: "f32", shape: ["T", "B", features] },
    ...specs.map(({ path, shape }): NamedAval => ({ name: path, dtype: "f32", shape })),
  ];
  const graph = traceGraph("lossAndGradient", inputs, ([x, ...weights]) => {
    const loss = (values: ParameterTensors) => network.apply(values, x as Float);
    const { value, grad } = valueAndGrad(loss)(
      Object.fromEntries(specs.map(({ path }, i) => [path, weights[i] as Float])),
    );
    return [value, ...specs.map(({ path }) => grad[path] as Float)];
  });
  return { inputs, graph };
}

/** A network of a cell, numbers for its inputs, and what the interpreter makes of them. */
function caseOf(cell: Cell) {
  const { inputs, graph } = lossAndGradient(cell);
  const numbers = inputs.map(({ shape }, seed) => {
    const sizes = shape.map((dim) => (dim === "B" ? batch : dim === "T" ? time : Number(dim)));
    const count = sizes.reduce((a, b) => a * b, 1);
    return ndarray(
      sizes,
      Array.from({ length: count }, (_, i) => Math.fround(Math.sin(1 + i * 1.7 + seed) / 4)),
    );
  });
  return { inputs, graph, numbers, expected: interpret(graph, numbers) };
}

const wide = caseOf(rnn(128));
/** Its weights stay in two registers to a lane, and in one. */
const narrow = caseOf(rnn(16));
/** Its states are affine. */
const affine = caseOf(minGru(5));
const registers = { total: 1e6, most: 2, reserved: 0 };

const context = await GpuContext.open("auto");
afterAll(() => context.destroy());

const fields = Object.keys(tuningGrid) as (keyof Tuning)[];
/** Each value of each field by itself, and one large value of all fields together. */
const tunings: readonly Tuning[] = [
  {},
  ...fields.flatMap((field) => tuningGrid[field].map((value) => checkedTuning({ [field]: value }))),
  checkedTuning(Object.fromEntries(fields.map((field) => [field, tuningGrid[field].at(-2)]))),
];

/** The distinct programs of a target, each with the first tuning that produces it. */
function programsOf(target: Target) {
  const programs = new Map<string, { readonly tuning: Tuning; readonly program: Program; readonly of: typeof wide }>();
  for (const tuning of tunings) {
    const isOfWeights = tuning.weightRegisters !== undefined || tuning.columnLanes !== undefined;
    const cases = [wide, ...(isOfWeights ? [narrow] : []), ...(tuning.timeChunk !== undefined ? [affine] : [])];
    for (const of of Object.keys(tuning).length === 0 ? [wide, narrow, affine] : cases) {
      const own = of === narrow ? { registers } : of === affine ? ({ schedule: "parallel" } as const) : {};
      const program = compileProgram(of.graph, { ...context.compileLimits, ...own, target, tuning });
      const key = JSON.stringify([program.buffers, program.kernels, program.steps]);
      if (!programs.has(key)) programs.set(key, { tuning, program, of });
    }
  }
  return [...programs.values()];
}

const targets = (["gpu", "software"] as const).map((target) => ({ target, programs: programsOf(target) }));

test("every field changes the kernels of some target", () => {
  const alone = targets.flatMap(({ programs }) => programs.map(({ tuning }) => Object.keys(tuning)));
  const effective = alone.filter((names) => names.length === 1).flat();
  expect(fields.filter((field) => !effective.includes(field))).toEqual([]);
});

describe.each(targets)("for a target $target", ({ programs }) => {
  const cases = programs.map(
    ({ tuning, program, of }) =>
      [
        `${JSON.stringify(tuning)}${of === narrow ? " of few units" : of === affine ? " in chunks of time" : ""}`,
        program,
        of,
      ] as const,
  );
  // Each tuning is compiled above; one in three runs.
  someOf(cases, (_, i) => i % 3 === 0)(
    "%s returns the interpreter's numbers",
    async (_, program, { inputs, numbers, expected }) => {
      const loaded = await LoadedProgram.load(context, program);
      const outputs = loaded.run(Object.fromEntries(inputs.map(({ name }, i) => [name, at(numbers, i)])));
      const errors = await Promise.all(
        outputs.map(async (output, i) => difference((await output.read()).data, at(expected, i).data)),
      );
      for (const output of outputs) output.destroy();
      loaded.destroy();
      expect(Math.max(...errors)).toBeLessThan(1e-4);
    },
  );
});
