/**
 * @file However the positions of a kernel are assigned to invocations, one to each or runs of them in a loop, the
 * results are bit-equal: the order of every sum belongs to its form.
 */
import { afterAll, expect } from "vitest";
import { valueAndGrad } from "../../compiler/autodiff/gradient.ts";
import { compileProgram } from "../../compiler/compile.ts";
import { at } from "../../compiler/graph/errors.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import type { WorkMapping } from "../../compiler/kernel/mapping.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import {
  add,
  dot,
  gather,
  mean,
  type NamedAval,
  scanTensors,
  softmax,
  square,
  sum,
  type Tensor,
  tanh,
  traceGraph,
} from "../../index.ts";
import { GpuContext } from "../../runtime/context.ts";
import { LoadedProgram } from "../../runtime/loaded-program.ts";
import { fewOf } from "../support/some-of.ts";
import { difference } from "../train/devices.ts";

type Float = Tensor<"f32">;

const context = await GpuContext.open("auto");
afterAll(() => context.destroy());

const [rows, units, steps] = [6, 10, 5];
const inputs = [
  { name: "tokens", dtype: "i32", shape: ["T", "B"] },
  { name: "table", dtype: "f32", shape: [17, units] },
  { name: "w", dtype: "f32", shape: [units, units] },
] as const satisfies readonly NamedAval[];

/** Lookups, products, sums and scatters, inside and outside a loop with one dispatch per step. */
const graph = traceGraph("mappings", inputs, ([tokens, table, w]) => {
  const loss = ({ table, w }: Readonly<Record<string, Float>>): Float => {
    const x = gather(table as Float, tokens as Tensor<"i32">);
    const step = ([h]: readonly Tensor[], [row]: readonly Tensor[]) => {
      const next = tanh(add(dot(h as Float, w as Float), row as Float));
      return { carries: [next], ys: [softmax(next, -1)] };
    };
    const { ys } = scanTensors(step, [mean(x, 0)], [x]);
    return mean(square(sum(ys[0] as Float, 0)));
  };
  const { value, grad } = valueAndGrad(loss)({ table: table as Float, w: w as Float });
  return [value, grad.table as Float, grad.w as Float];
});

const numbers = [
  ndarray(
    [steps, rows],
    Array.from({ length: steps * rows }, (_, i) => (i * 7) % 17),
    "i32",
  ),
  ...[17, units].map((n, seed) =>
    ndarray(
      [n, units],
      Array.from({ length: n * units }, (_, i) => Math.fround(Math.sin(i * 1.3 + seed) / 3)),
    ),
  ),
];

async function run(target: "gpu" | "software", mapping: WorkMapping): Promise<number[][]> {
  const options = { ...context.compileLimits, subgroupSize: undefined, target, mapping, schedule: "stepwise" } as const;
  const loaded = await LoadedProgram.load(context, compileProgram(graph, options));
  const outputs = loaded.run(Object.fromEntries(inputs.map(({ name }, i) => [name, at(numbers, i)])));
  const read = await Promise.all(outputs.map(async (output) => [...(await output.read()).data]));
  for (const output of outputs) output.destroy();
  loaded.destroy();
  return read;
}

fewOf(["gpu", "software"] as const, (target) => target === "gpu")("for a target %s", async (target) => {
  const expected = await run(target, { lanes: 64, run: 1 });
  for (const [i, exact] of interpret(graph, numbers).entries())
    expect(difference(Float32Array.from(at(expected, i)), exact.data)).toBeLessThan(1e-5);
  for (const mapping of [
    { lanes: 16, run: 3 },
    { lanes: 1, run: 64 },
  ])
    expect(await run(target, mapping)).toEqual(expected);
});
