/**
 * @file What runs a graph in a check: the float64 interpreter at its own tolerance, and a device in a schedule at that of
 * its arithmetic. A check that takes an executor holds for all of them.
 */
import { at } from "../compiler/graph/errors.ts";
import { type Graph, inputName } from "../compiler/graph/graph.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { interpret } from "../compiler/ops/interpret.ts";
import { type CompileOptions, type Device, ofCompile } from "../devices/device.ts";

/** What runs a graph on numbers, and how exact it claims to be. */
export interface Executor {
  /** For messages. */
  readonly name: string;
  /** Largest relative error that its arithmetic excuses. */
  readonly tolerance: number;
  /** Outputs of a graph on inputs in the graph's order. */
  readonly execute: (graph: Graph, inputs: readonly NdArray[]) => Promise<NdArray[]>;
}

/** The float64 interpreter, which defines what a graph means. */
export const interpreter: Executor = {
  name: "interpreter",
  tolerance: 1e-9,
  execute: async (graph, inputs) => interpret(graph, inputs),
};

/** Compiles on a device, runs once and reads everything back. */
export function deviceExecutor(
  name: string,
  device: Device,
  tolerance: number,
  options: CompileOptions = {},
): Executor {
  checkedOptions("deviceExecutor", options, ofCompile);
  return {
    name,
    tolerance,
    execute: async (graph, inputs) => {
      const executable = await device.compile(graph, options);
      try {
        const named = graph.inputs.map((id, i) => [inputName(graph, id), at(inputs, i)] as const);
        const outputs = executable.run(Object.fromEntries(named));
        const values = await Promise.all(outputs.map((output) => output.read()));
        for (const output of outputs) output.destroy();
        return values;
      } finally {
        executable.destroy();
      }
    },
  };
}

/**
 * The device in both schedules with tiles of few rows, whose kernels a software adapter compiles in a quarter of the time:
 * for checks that compile thousands of kernels. Persistent loops are cut into chunks.
 */
export function smallTileExecutorsOn(device: Device): readonly Executor[] {
  return [
    deviceExecutor(`${device.name}, persistent where it can, tiles of 2 rows, chunks of 2 steps`, device, 1e-4, {
      maxRows: 2,
      chunkSteps: 2,
    }),
    deviceExecutor(`${device.name}, stepwise, tiles of 2 rows`, device, 1e-4, { maxRows: 2, schedule: "stepwise" }),
  ];
}
