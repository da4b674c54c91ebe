/** @file The devices of the tests of train/, each with the relative error of its arithmetic. */
import type { Graph } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import type { Device } from "../../devices/device.ts";
import { openInterpreter } from "../../devices/interpreter.ts";
import { openDevice } from "../../devices/open-device.ts";

export interface TestDevice {
  readonly name: string;
  readonly open: () => Promise<Device>;
  /** Largest error, relative to the size of what is compared. */
  readonly tolerance: number;
}

let shared: Promise<Device> | undefined;

/** One device for the tests of a process: it keeps its threads. It outlives those who destroy it. */
async function openShared(): Promise<Device> {
  shared ??= openDevice({ device: "cpu" });
  return { ...(await shared), destroy: () => {} };
}

export const devices: readonly TestDevice[] = [
  { name: "interpreter", open: async () => openInterpreter(), tolerance: 1e-12 },
  { name: "CPU", open: openShared, tolerance: 1e-4 },
];

/** Compiles and runs a graph once. */
export async function runOnce(
  device: Device,
  graph: Graph,
  inputs: Readonly<Record<string, NdArray>>,
): Promise<NdArray[]> {
  const executable = await device.compile(graph);
  const outputs = executable.run(inputs);
  const values = await Promise.all(outputs.map((output) => output.read()));
  for (const output of outputs) output.destroy();
  executable.destroy();
  return values;
}

/** The largest difference, relative to the largest number of `expected` (at least 1e-6). */
export function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  const scale = Math.max(1e-6, ...Array.from(expected, Math.abs));
  return Math.max(0, ...Array.from(expected, (value, i) => Math.abs((actual[i] ?? Number.NaN) - value))) / scale;
}
