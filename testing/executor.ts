/**
 * @file Executors that run a graph in a check: the float64 interpreter, or a device in a given schedule, each with the
 * tolerance of its arithmetic. A check that takes an executor works with all of them.
 */
import { at } from "../compiler/graph/errors.ts";
import { type Graph, inputName } from "../compiler/graph/graph.ts";
import type { NdArray } from "../compiler/graph/ndarray.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { interpret } from "../compiler/ops/interpret.ts";
import { type CompileOptions, type Device, ofCompile } from "../devices/device.ts";

/** Runs graphs, with a stated accuracy. */
export interface Executor {
  /** Name in messages. */
  readonly name: string;
  /** Largest relative error of its arithmetic. */
  readonly tolerance: number;
  /** Runs a graph on inputs in the graph's order and returns its outputs. */
  readonly execute: (graph: Graph, inputs: readonly NdArray[]) => Promise<NdArray[]>;
}

/** The float64 interpreter, which defines the semantics of graphs. */
export const interpreter: Executor = {
  name: "interpreter",
  tolerance: 1e-9,
  execute: async (graph, inputs) => interpret(graph, inputs),
};

/** Returns an executor that compiles a graph on a device, runs it once and reads all outputs. */
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
 * Executors for the device in both schedules, with tiles of few rows, whose kernels a software adapter compiles in a quarter
 * of the time: for checks that compile thousands of kernels. Persistent loops are split into chunks.
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
