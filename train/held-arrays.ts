/** @file Arrays that a trainer holds on a device, by the name of the input that reads them. */
import type { Shape } from "../compiler/graph/dim.ts";
import { InternalError } from "../compiler/graph/errors.ts";
import { zeros } from "../compiler/graph/ndarray.ts";
import type { Device, DeviceArray } from "../devices/device.ts";

export type Held = Record<string, DeviceArray>;

export function heldOf(held: Held, name: string): DeviceArray {
  const array = held[name];
  if (array === undefined) throw new InternalError(`the trainer holds no ${name}`);
  return array;
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
      device.upload(zeros([...first, ...shape.map(Number)])),
    ]),
  );
}
