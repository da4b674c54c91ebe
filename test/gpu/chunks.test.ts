/**
 * @file A persistent loop cut into chunks: for any cuts, the results are bit-equal to the uncut run, and equal to the
 * interpreter's. Sequences have odd length, so that chunks of 3 leave a remainder, and carries that alternate between
 * two slots are cut at odd and at even steps.
 */
import { afterAll, describe, expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import type { DimSizes } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { inputName } from "../../compiler/graph/graph.ts";
import type { Chunks, Program } from "../../compiler/plan/program.ts";
import {
  add,
  type CellDefinition,
  cast,
  cell,
  dense,
  type Graph,
  gru,
  interpret,
  lstm,
  model,
  mul,
  type NamedAval,
  type NdArray,
  not,
  type ParameterTensors,
  reshape,
  scan,
  scanTensors,
  sum,
  type Tensor,
  tanh,
  traceGraph,
  valueAndGrad,
  where,
  zeroState,
} from "../../index.ts";
import { instantiate } from "../../runtime/instance.ts";
import { chunkRanges } from "../../runtime/walk.ts";
import { relativeError } from "../../testing/numbers/compare.ts";
import { generator, randomFloats } from "../../testing/numbers/random-data.ts";
import { slowUnless } from "../support/some-of.ts";
import { stepsIn } from "../support/steps.ts";
import { openWebgpu } from "../support/webgpu.ts";

type Float = Tensor<"f32">;

const [time, batch, units, features] = [7, 3, 6, 4];
const sizes = { T: time, B: batch };
/** The persistent schedule, with kernels that a software adapter compiles quickly. */
const options = { schedule: "persistent", maxRows: 2 } as const;

/** Three states, of which two swap, and one is a matrix. */
const exchange = cell(
  "exchange",
  { state: ({ units }) => ({ near: [units], far: [units], trace: [2, units] }) },
  ({ x, near, far, trace, units }) => {
    const next = tanh(dense("next", [x, far, reshape(trace, [trace.shape[0] ?? 0, 2 * units])], units));
    const kept = mul(add(trace, reshape(next, [next.shape[0] ?? 0, 1, units])), 0.5);
    return { state: { near: far, far: add(mul(near, 0.5), next), trace: kept }, output: mul(next, near) };
  },
);

/** Value, final state and gradient of a cell over a sequence: a loop forward, and the loop of its vjp. */
function gradientOf(definition: CellDefinition, reverse: boolean): Graph {
  const instance = definition(units);
  const names = Object.keys(instance.stateShapes);
  const run = model(definition.cellName, (x: Float, initial: ParameterTensors) =>
    scan(instance, x, { initial, reverse }),
  );
  const x: NamedAval = { name: "x", dtype: "f32", shape: ["T", "B", features] };
  const states = names.map((name): NamedAval => {
    return { name, dtype: "f32", shape: ["B", ...(instance.stateShapes[name] ?? [])] };
  });
  const specs = run.specs(x, Object.fromEntries(states.map((state) => [state.name, state])));
  const parameters = specs.map(({ path, shape }): NamedAval => ({ name: path, dtype: "f32", shape }));
  return traceGraph(definition.cellName, [...parameters, x, ...states], (tensors) => {
    const leaves = [...parameters, x, ...states].map(({ name }, i) => [name, at(tensors, i) as Float] as const);
    const { value, grad } = valueAndGrad((given: ParameterTensors) => {
      const { outputs, state } = run.apply(given, given.x as Float, given);
      return names.reduce((total, name) => add(total, sum(mul(state[name] as Float, 0.3))), sum(mul(outputs, outputs)));
    })(Object.fromEntries(leaves));
    const { outputs, state } = run.apply(
      Object.fromEntries(leaves),
      at(tensors, specs.length) as Float,
      Object.fromEntries(leaves),
    );
    return [
      value,
      outputs,
      ...names.map((name) => state[name] as Float),
      ...leaves.map(([name]) => grad[name] as Float),
    ];
  });
}

/** Carries that are not floats: a counter, and a flag that flips in every step; only the sum itself reads its carry. */
const counting = traceGraph("counting", [{ name: "x", dtype: "f32", shape: ["T", "B", features] }], ([x]) => {
  const xs = x as Float;
  const [, rows = 0] = xs.shape;
  const initial = zeroState(lstm(features), rows).h;
  const { carries, ys } = scanTensors(
    ([count, flag, total], [now]) => {
      const next = add(total as Float, where(flag as Tensor<"bool">, now as Float, mul(now as Float, 0.5)));
      const turned = not(flag as Tensor<"bool">);
      return { carries: [add(count as Tensor<"i32">, cast(turned, "i32")), turned, next], ys: [mul(next, next)] };
    },
    [cast(initial, "i32"), cast(initial, "bool"), initial],
    [xs],
    { name: "counting" },
  );
  return [at(carries, 0), at(carries, 1), at(ys, 0)];
});

const device = await openWebgpu();
afterAll(() => device.destroy());

/** Results of the graph uncut, and with each of these chunk lengths. */
async function runs(graph: Graph, inputs: readonly NdArray[], chunkSteps: readonly number[]): Promise<NdArray[][]> {
  const compiled = [{}, ...chunkSteps.map((steps) => ({ chunkSteps: steps }))].map((cut) =>
    device.compile(graph, { ...options, ...cut }),
  );
  const named = Object.fromEntries(graph.inputs.map((id, i) => [inputName(graph, id), at(inputs, i)]));
  return Promise.all(
    compiled.map(async (executable) => {
      const outputs = (await executable).run(named);
      return Promise.all(outputs.map((output) => output.read()));
    }),
  );
}

function inputsOf(graph: Graph): NdArray[] {
  const random = generator(11);
  return compileProgram(graph, options).inputs.map(({ shape }) =>
    randomFloats(
      random,
      shape.map((dim) => (typeof dim === "number" ? dim : (sizes[dim as "T" | "B"] ?? 0))),
    ),
  );
}

const chunksOf = (program: Program, of?: DimSizes): Chunks[] =>
  stepsIn(program, of).flatMap((step) => (step.kind === "dispatch" && step.chunks !== undefined ? [step.chunks] : []));

const dispatchesOf = (program: Program, length: number) =>
  instantiate(program, { ...sizes, T: length }).steps.filter((step) => !("kind" in step)).length;

const graphs: readonly (readonly [name: string, graph: Graph])[] = [
  ...[lstm, gru, exchange].flatMap((definition) =>
    [false, true].map((reverse) => {
      const name = `${definition.cellName}${reverse ? ", reversed" : ""}`;
      return [name, gradientOf(definition as CellDefinition, reverse)] as const;
    }),
  ),
  ["carries of i32 and bool", counting],
];

describe.each(graphs)("%s", (name, graph) => {
  const tier = slowUnless(/^(lstm1997|lstm|carries.*)$/.test(name));
  const inputs = inputsOf(graph);

  test("any cuts return the bits of the uncut run, which match the interpreter", tier, async () => {
    const [whole = [], ...cut] = await runs(graph, inputs, [1, 3, 4]);
    expect(relativeError(whole, interpret(graph, inputs))).toBeLessThan(1e-4);
    for (const values of cut) expect(values).toEqual(whole);
  });

  test("cuts change neither kernels nor memory", tier, () => {
    const [whole, cut] = [compileProgram(graph, options), compileProgram(graph, { ...options, chunkSteps: 3 })];
    expect(cut.kernels).toEqual(whole.kernels);
    expect(cut.buffers).toEqual(whole.buffers);
    expect(chunksOf(cut).length).toBeGreaterThan(0);
    expect(chunksOf(cut).every(({ steps }) => steps === 3)).toBe(true);
  });
});

const gradient = gradientOf(lstm as CellDefinition, false);

test("a short sequence is one dispatch, and a long one has one more per cut", () => {
  const program = compileProgram(gradient, { ...options, chunkSteps: 5 });
  const loops = chunksOf(program, sizes).length;
  expect(loops).toBeGreaterThanOrEqual(2);
  const once = dispatchesOf(program, 1);
  const added = [5, 6, 10, 11].map((length) => dispatchesOf(program, length) - once);
  expect(added).toEqual([0, loops, loops, 2 * loops]);
  expect(dispatchesOf(compileProgram(gradient, options), 100)).toBe(once);
});

test("chunks cover the sequence, and an empty sequence is one chunk", () => {
  const rangesOf = (T: number) => chunkRanges({ scan: "s", length: "T", steps: 4 }, { T });
  expect(rangesOf(9)).toEqual([
    [0, 4],
    [4, 8],
    [8, 9],
  ]);
  expect(rangesOf(4)).toEqual([[0, 4]]);
  expect(rangesOf(0)).toEqual([[0, 0]]);
});

test("chunks are shorter for more work per step, and do not depend on the batch", () => {
  const stepsAt = (width: number, target: "gpu" | "software") => {
    const instance = lstm(width);
    const run = model("lstm", (x: Float) => scan(instance, x).outputs);
    const x: NamedAval = { name: "x", dtype: "f32", shape: ["T", "B", features] };
    const specs = run.specs(x);
    const inputs = [...specs.map(({ path, shape }): NamedAval => ({ name: path, dtype: "f32", shape })), x];
    const graph = traceGraph("lstm", inputs, (tensors) => {
      const parameters = specs.map(({ path }, i) => [path, at(tensors, i) as Float] as const);
      return [run.apply(Object.fromEntries(parameters), at(tensors, specs.length) as Float)];
    });
    return at(chunksOf(compileProgram(graph, { schedule: "persistent", target })), 0).steps;
  };
  for (const target of ["gpu", "software"] as const) {
    const steps = [16, 64, 256].map((width) => stepsAt(width, target));
    expect(steps).toEqual([...steps].sort((a, b) => b - a));
    expect(new Set(steps).size).toBe(3);
    expect(at(steps, 2)).toBeGreaterThanOrEqual(1);
  }
  // Sequences that bench/ measures are not cut.
  expect(stepsAt(128, "software")).toBeGreaterThan(100);
});
