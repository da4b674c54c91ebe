/**
 * @file Products on the CPU: tiles, panels of several blocks of the depth, and remainders; either operand transposed,
 * sums of products, batches, symbolic sizes, and tiles set by a tuning.
 */
import { afterAll, expect, test } from "vitest";
import type { Tuning } from "../../compiler/plan/tuning.ts";
import { add, type Dim, dot, interpret, mul, type Tensor, traceGraph } from "../../index.ts";
import { CpuContext } from "../../runtime/cpu/context.ts";
import { farthest, inputsOf } from "../kernels/inputs.ts";
import { runShared } from "./programs.ts";

const context = await CpuContext.open({ threads: 2 });
afterAll(() => context.destroy());

type Float = Tensor<"f32">;
type Shape = readonly [batch: readonly Dim[], m: Dim, k: Dim, n: Dim];

const sizes = { B: 19, T: 6 };

const shapes: readonly Shape[] = [
  [[], 5, 9, 6],
  [[], 1, 40, 13],
  [[], 133, 300, 21],
  [[], 16, 520, 32],
  [[3], 18, 260, 5],
  [["T"], "B", 7, 8],
  [["T", 2], 3, "B", 11],
  [[], "B", "T", "B"],
  [[], 17, 6, "T"],
];
const all = shapes.flatMap((shape) =>
  [false, true].flatMap((transposeA) => [false, true].map((transposeB) => ({ shape, transposeA, transposeB }))),
);

interface Products {
  readonly shape: Shape;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** The error of products relative to the interpreter's. */
async function errorOf({ shape: [batch, m, k, n], transposeA, transposeB }: Products, tuning: Tuning): Promise<number> {
  const f32 = (name: string, ...shape: Dim[]) => ({ name, dtype: "f32", shape }) as const;
  const left = (name: string) => f32(name, ...batch, ...(transposeA ? [k, m] : [m, k]));
  const right = (name: string) => f32(name, ...batch, ...(transposeB ? [n, k] : [k, n]));
  const avals = [left("a"), right("b"), left("c"), right("d"), f32("known", "T"), f32("rows", "B")];
  const graph = traceGraph("products", avals, ([a, b, c, d]) => {
    const product = (x?: Tensor, y?: Tensor) => dot(x as Float, y as Float, { transposeA, transposeB });
    return [product(a, b), mul(add(product(a, d), product(c, b)), 0.5)];
  });
  const inputs = inputsOf(graph, false, sizes);
  return farthest(await runShared(context, graph, inputs, { tuning }), interpret(graph, inputs));
}

test.each(all)("$shape, $transposeA and $transposeB", async (products) => {
  expect(await errorOf(products, {})).toBeLessThan(1e-5);
});

test.each([
  { tileRows: 1, accumulators: 4 },
  { tileRows: 2, tileColumns: 4, accumulators: 32 },
  { tileRows: 8, accumulators: 16 },
  { tileRows: 16, tileColumns: 2, accumulators: 128 },
] as const)("tiles of %o", async (tuning) => {
  for (const transposeA of [false, true]) {
    const products = { shape: [[], 39, 300, 16], transposeA, transposeB: false } as const;
    expect(await errorOf(products, tuning)).toBeLessThan(1e-5);
  }
});
