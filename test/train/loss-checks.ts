/** @file A loss against a second computation in plain numbers: its value, and its gradient against difference quotients. */
import { expect } from "vitest";
import { valueAndGrad } from "../../compiler/autodiff/gradient.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Device } from "../../devices/device.ts";
import { difference, runOnce } from "./devices.ts";

type Float = Tensor<"f32">;
type Tensors = Readonly<Record<string, Tensor>>;

export interface LossCase {
  /** Traced on the inputs by name; `x` is what it is differentiated by. */
  readonly loss: (x: Float, given: Tensors) => Float;
  readonly inputs: { readonly x: NdArray } & Readonly<Record<string, NdArray>>;
  /** Symbols for axes of inputs, by name of the input; the sizes of the numbers where there is none. */
  readonly shapes?: Readonly<Record<string, readonly (number | string)[]>>;
}

export interface LossValues {
  readonly loss: number;
  readonly gradient: number[];
}

/** The loss and its gradient with respect to `x`. */
export async function lossValues(device: Device, { loss, inputs, shapes = {} }: LossCase): Promise<LossValues> {
  const avals = Object.entries(inputs).map(([name, { dtype, shape }]) => ({
    name,
    dtype,
    shape: shapes[name] ?? shape,
  }));
  const graph = traceGraph("loss", avals, (tensors) => {
    const given = Object.fromEntries(avals.map(({ name }, i) => [name, at(tensors, i)]));
    const { value, grad } = valueAndGrad((x: Float) => loss(x, given))(given.x as Float);
    return [value, grad];
  });
  const [value, gradient] = await runOnce(device, graph, inputs);
  return { loss: value?.data[0] ?? Number.NaN, gradient: [...(gradient?.data ?? [])] };
}

/** The central difference quotients of a function of many numbers. */
export function differences(plain: (x: readonly number[]) => number, at: ArrayLike<number>, h = 1e-5): number[] {
  const x = Array.from(at);
  const moved = (i: number, by: number) => plain(x.map((value, k) => (k === i ? value + by : value)));
  return x.map((_, i) => (moved(i, h) - moved(i, -h)) / (2 * h));
}

/** The loss must be `plain`, and its gradient the differences of `plain`, which knows nothing of graphs. */
export async function expectLoss(
  device: Device,
  tolerance: number,
  given: LossCase,
  plain: (x: readonly number[]) => number,
): Promise<LossValues> {
  const values = await lossValues(device, given);
  expect(difference([values.loss], [plain([...given.inputs.x.data])])).toBeLessThan(tolerance);
  expect(difference(values.gradient, differences(plain, given.inputs.x.data))).toBeLessThan(Math.max(tolerance, 1e-8));
  return values;
}
