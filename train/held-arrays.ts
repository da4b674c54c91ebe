/** @file Arrays that a trainer holds on a device, by the name of the input that reads them. */
import type { Shape } from "../compiler/graph/dim.ts";
import { InternalError } from "../compiler/graph/errors.ts";
import { type NdArray, sizeOfNumbers, zeros } from "../compiler/graph/ndarray.ts";
import type { Device, DeviceArray } from "../devices/device.ts";

export type Held = Record<string, DeviceArray>;

export function heldOf(held: Held, name: string): DeviceArray {
  const array = held[name];
  if (array === undefined) throw new InternalError(`the trainer holds no ${name}`);
  return array;
}

/** Most numbers that are kept for the next step. */
const mostKept = 2 ** 16;
let kept = new Float64Array(0);

/**
 * Zeros for a device, which copies them. Every step of a task that carries no state needs some, and new ones take longer
 * than the copy.
 */
function keptZeros(shape: readonly number[]): NdArray {
  const size = sizeOfNumbers(shape);
  if (size > mostKept) return zeros(shape);
  if (kept.length < size) kept = new Float64Array(size);
  return { dtype: "f32", shape, data: kept.subarray(0, size) };
}

/** Zeros [B, …] for every state, by the name of its input; of a population [models, B, …]. */
export function zeroStates(
  device: Device,
  shapes: Readonly<Record<string, Shape>>,
  batch: number,
  models?: number | undefined,
): Held {
  const first = models === undefined ? [batch] : [models, batch];
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [
      `state/${name}`,
      device.upload(keptZeros([...first, ...shape.map(Number)])),
    ]),
  );
}
