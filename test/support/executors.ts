/**
 * @file What runs a graph in the tests. A check that takes an executor holds for all of them: the float64 interpreter
 * at its own tolerance, and each device at that of f32.
 */
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, inputName } from "../../compiler/graph/graph.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import type { CompileOptions, Device } from "../../train/device.ts";
import { openDevice } from "../../train/open-device.ts";

export interface Executor {
  readonly name: string;
  /** Largest relative error that its arithmetic excuses. */
  readonly tolerance: number;
  /** Outputs of a graph on inputs in the graph's order. */
  readonly execute: (graph: Graph, inputs: readonly NdArray[]) => Promise<NdArray[]>;
}

export const interpreter: Executor = {
  name: "interpreter",
  tolerance: 1e-9,
  execute: async (graph, inputs) => interpret(graph, inputs),
};

/** Compiles, runs once and reads everything back. */
export function deviceExecutor(
  name: string,
  device: Device,
  tolerance: number,
  options: CompileOptions = {},
): Executor {
  return {
    name,
    tolerance,
    execute: async (graph, inputs) => {
      const executable = await device.compile(graph, options);
      const named = graph.inputs.map((id, i) => [inputName(graph, id), at(inputs, i)] as const);
      const outputs = executable.run(Object.fromEntries(named));
      const values = await Promise.all(outputs.map((output) => output.read()));
      for (const output of outputs) output.destroy();
      executable.destroy();
      return values;
    },
  };
}

const device = await openDevice();

const inOneDispatch = "persistent where it can";

/** Every executor that the checks run on. A missing adapter fails here, with the reason. */
export const executors: readonly Executor[] = [
  interpreter,
  deviceExecutor(`${device.name}, ${inOneDispatch}`, device, 1e-4),
  deviceExecutor(`${device.name}, stepwise`, device, 1e-4, { schedule: "stepwise" }),
];

/**
 * The device in both schedules with tiles of few rows, whose kernels a software adapter compiles in a quarter of the time:
 * for checks that compile thousands of kernels. Persistent loops are cut into chunks; those of `executors` are not, at
 * the lengths of tests.
 */
export const smallTileExecutors: readonly Executor[] = [
  deviceExecutor(`${device.name}, ${inOneDispatch}, tiles of 2 rows, chunks of 2 steps`, device, 1e-4, {
    maxRows: 2,
    chunkSteps: 2,
  }),
  deviceExecutor(`${device.name}, stepwise, tiles of 2 rows`, device, 1e-4, { maxRows: 2, schedule: "stepwise" }),
];
