/** @file A network for a task, and what it says to whole sequences once it is trained. */
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { NdArray } from "../../compiler/graph/ndarray.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { type NamedAval, traceGraph } from "../../compiler/ops/trace.ts";
import { fill } from "../../compiler/ops/views.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import type { Device } from "../../devices/device.ts";
import { arenaOf, packArrays, unpack } from "../arena.ts";
import { languageModel, type Network, type NetworkState, regressionModel, seriesModel } from "../networks.ts";
import type { Predict, Task, TaskBatches } from "./task.ts";

/** What a network for a task is made of. */
export interface TaskNetworkOptions {
  /** The cell of each layer. */
  readonly cell: CellDefinition;
  /** Units of each layer. */
  readonly units: number;
  /** Number of stacked layers. */
  readonly layers: number;
  /** Width of the embedding, where symbols are read. */
  readonly embed: number;
}

/** The network that reads what a task gives and says what it asks for. */
export function networkOfTask({ kind }: Task, made: TaskBatches, options: TaskNetworkOptions): Network {
  const kinds = { cell: "any", units: "number", layers: "number", embed: "number" } as const;
  const { embed, ...stack } = checkedOptions("networkOfTask", options, kinds);
  const { vocabulary, columns = [], targets = [] } = made;
  if (vocabulary !== undefined) return languageModel({ ...stack, embed, vocabulary: vocabulary.characters.length });
  if (kind === "series") return seriesModel({ ...stack, features: columns.length });
  return regressionModel({ ...stack, features: columns.length, outputs: targets.length });
}

/** Compiles a network for whole sequences, from zero states. */
export async function predictor(
  device: Device,
  network: Network,
  parameters: Readonly<Record<string, NdArray>>,
): Promise<{ readonly predict: Predict; readonly destroy: () => void }> {
  const arena = arenaOf(network.specs);
  const inputs: readonly NamedAval[] = [
    { name: "parameters", dtype: "f32", shape: [arena.size] },
    { name: "x", ...network.x },
  ];
  const graph = traceGraph("prediction", inputs, (tensors) => {
    const [flat, x] = [at(tensors, 0) as Tensor<"f32">, at(tensors, 1)];
    const state = Object.entries(network.stateShapes).map(([name, shape]) => [name, fill(["B", ...shape], 0)]);
    const { output } = network.model.apply(unpack(flat, arena), x, Object.fromEntries(state) as NetworkState);
    return [output];
  });
  const executable = await device.compile(graph, { readback: [0] });
  const weights = device.upload(packArrays(parameters, arena));
  return {
    predict: async (x) => {
      const output = at(executable.run({ parameters: weights, x }), 0);
      const values = await output.read();
      output.destroy();
      return values;
    },
    destroy: () => {
      weights.destroy();
      executable.destroy();
    },
  };
}
