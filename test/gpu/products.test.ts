/**
 * @file Products on a device, for both kinds of target: transposes read in place, batches, sizes that leave a remainder
 * in every block, products that share operands or are added up, and elementwise values before and after. A target with
 * many lanes computes large ones through workgroup memory; the numbers are the interpreter's either way.
 */
import { afterAll, describe, expect } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import type { Shape } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { pick } from "../../compiler/ops/composed.ts";
import { dot, gather, scatterAdd } from "../../compiler/ops/contractions.ts";
import { add, mul } from "../../compiler/ops/elementwise.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { sigmoid, tanh } from "../../compiler/ops/transcendental.ts";
import { broadcast, reshape } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { GpuContext } from "../../runtime/context.ts";
import { LoadedProgram } from "../../runtime/loaded-program.ts";
import { fewOf } from "../support/some-of.ts";
import { difference } from "../train/devices.ts";

type Float = Tensor<"f32">;

const context = await GpuContext.open("auto");
afterAll(() => context.destroy());

const sizes: Readonly<Record<string, number>> = { B: 5, T: 15 };

interface Case {
  readonly inputs: Readonly<Record<string, Shape>>;
  readonly indices?: Readonly<Record<string, Shape>>;
  readonly outputs: (inputs: Readonly<Record<string, Float>>) => readonly Tensor[];
}

/** An input with time and batch merged into one axis. */
const input = (inputs: Readonly<Record<string, Float>>, name: string): Float => {
  const found = inputs[name];
  if (found === undefined) throw new Error(`no input ${name}`);
  const time = found.shape.indexOf("T");
  const joined: Shape = [...found.shape.slice(0, time), "B*T", ...found.shape.slice(time + 2)];
  return time < 0 ? found : reshape(found, joined);
};

const cases: Readonly<Record<string, Case>> = {
  "a product": {
    inputs: { a: ["T", "B", 37], b: [37, 45] },
    outputs: (x) => [dot(input(x, "a"), input(x, "b"))],
  },
  "the left operand transposed, with a symbolic depth": {
    inputs: { a: ["T", "B", 70], b: ["T", "B", 33] },
    outputs: (x) => [dot(input(x, "a"), input(x, "b"), { transposeA: true })],
  },
  "the right operand transposed": {
    inputs: { a: ["T", "B", 48], b: [32, 48] },
    outputs: (x) => [dot(input(x, "a"), input(x, "b"), { transposeB: true })],
  },
  "both transposed": {
    inputs: { a: [40, "T", "B"], b: [64, 40] },
    outputs: (x) => [dot(input(x, "a"), input(x, "b"), { transposeA: true, transposeB: true })],
  },
  "a batch of products": {
    inputs: { a: [3, "T", "B", 33], b: [3, 33, 34] },
    outputs: (x) => [dot(input(x, "a"), input(x, "b"))],
  },
  "gates that share rows, with elementwise ops before and after": {
    inputs: { x: ["T", "B", 35], u: [35, 64], v: [35, 64], c: [64] },
    outputs: (x) => {
      const rows = tanh(input(x, "x"));
      const gate = sigmoid(dot(rows, input(x, "u")));
      const bias = broadcast(input(x, "c"), ["B*T", 64]);
      return [mul(gate, add(dot(rows, input(x, "v")), bias))];
    },
  },
  "products that are added up": {
    inputs: { a: ["T", "B", 36], b: ["T", "B", 36], u: [40, 36], v: [40, 36] },
    outputs: (x) => [
      add(
        dot(input(x, "a"), input(x, "u"), { transposeB: true }),
        dot(input(x, "b"), input(x, "v"), { transposeB: true }),
      ),
    ],
  },
  "more products of one operand than fit in memory next to it": {
    inputs: { a: ["T", "B", 36], w: [17, 36, 40] },
    outputs: (x) => {
      const products = Array.from({ length: 17 }, (_, i) => dot(input(x, "a"), pick(input(x, "w"), i)));
      return [products.reduce((total, product) => add(total, product))];
    },
  },
  "a chain of products, of which one is also an output": {
    inputs: { a: ["T", "B", 64], u: [64, 64], v: [64, 64], w: [64, 64] },
    outputs: (x) => {
      const kept = dot(tanh(mul(dot(input(x, "a"), input(x, "u")), 0.1)), input(x, "v"));
      return [dot(tanh(mul(kept, 0.1)), input(x, "w")), kept];
    },
  },
  "one operand, plain and transposed": {
    inputs: { a: [64, 64], u: [64, 64], v: [64, 64] },
    outputs: (x) => [mul(dot(input(x, "a"), input(x, "u")), dot(input(x, "a"), input(x, "v"), { transposeA: true }))],
  },
  "products of one size in two shapes, of which lanes can share rows of only one": {
    inputs: { a: [32, 24], b: [24, 64], c: [1024, 5], d: [5, 2] },
    outputs: (x) => [dot(input(x, "a"), input(x, "b")), dot(input(x, "c"), input(x, "d"))],
  },
  "looked-up rows": {
    inputs: { table: [9, 33], w: [33, 64], g: ["T", "B", 64] },
    indices: { i: ["T", "B"] },
    outputs: (x) => {
      const indices = input(x, "i") as Tensor as Tensor<"i32">;
      const rows = gather(input(x, "table"), indices);
      const ct = input(x, "g");
      return [
        dot(rows, input(x, "w")),
        dot(rows, ct, { transposeA: true }),
        scatterAdd(indices, dot(ct, input(x, "w"), { transposeB: true }), 9),
      ];
    },
  },
};

describe.each(["gpu", "software"] as const)("for a target %s", (target) => {
  fewOf(Object.keys(cases), (name) => !name.startsWith("more products"))("%s", async (name) => {
    const { inputs, indices = {}, outputs } = cases[name] as Case;
    const avals = [
      ...Object.entries(inputs).map(([name, shape]) => ({ name, dtype: "f32" as const, shape })),
      ...Object.entries(indices).map(([name, shape]) => ({ name, dtype: "i32" as const, shape })),
    ];
    const graph = traceGraph("products", avals, (tensors) =>
      outputs(Object.fromEntries(avals.map(({ name }, i) => [name, at(tensors, i) as Float]))),
    );
    const numbers = avals.map(({ dtype, shape }, seed) => {
      const extents = shape.map((dim) => sizes[dim] ?? Number(dim));
      const data = Array.from({ length: extents.reduce((a, b) => a * b, 1) }, (_, i) =>
        // Indices past the end read the last row.
        dtype === "i32" ? (i * 7) % 11 : Math.fround(Math.sin(1 + i * 1.7 + seed)),
      );
      return { ...ndarray(extents, data), dtype };
    });
    const expected = interpret(graph, numbers);
    const { maxStorageBuffers, maxWorkgroupBytes, subgroupSize } = context.compileLimits;
    const program = compileProgram(graph, { target, maxStorageBuffers, maxWorkgroupBytes, subgroupSize });
    // A target with many lanes shares products and scatters through workgroup memory.
    expect(program.kernels.some(({ wgsl }) => wgsl.includes("var<workgroup>"))).toBe(target === "gpu");
    const loaded = await LoadedProgram.load(context, program);
    const given = Object.fromEntries(avals.map(({ name }, i) => [name, at(numbers, i)]));
    const results = await Promise.all(loaded.run(given).map((array) => array.read()));
    loaded.destroy();
    for (const [i, result] of results.entries())
      expect(difference(result.data, at(expected, i).data)).toBeLessThan(1e-5);
  });
});
