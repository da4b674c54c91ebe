/** @file Makes the network for a task. */
import type { CellDefinition } from "../../compiler/dsl/cell.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { languageModel, type Network, regressionModel, seriesModel } from "../networks.ts";
import type { Task, TaskBatches } from "./task.ts";

/** Options of `networkOfTask`. */
export interface TaskNetworkOptions {
  /** The cell of each layer. */
  readonly cell: CellDefinition;
  /** Units of each layer. */
  readonly units: number;
  /** Number of stacked layers. */
  readonly layers: number;
  /** Width of the embedding, for tasks with symbols. */
  readonly embed: number;
}

/** Makes a network with the inputs and outputs of a task. */
export function networkOfTask({ kind }: Task, made: TaskBatches, options: TaskNetworkOptions): Network {
  const kinds = { cell: "any", units: "number", layers: "number", embed: "number" } as const;
  const { embed, ...stack } = checkedOptions("networkOfTask", options, kinds);
  const { vocabulary, columns = [], targets = [] } = made;
  if (vocabulary !== undefined) return languageModel({ ...stack, embed, vocabulary: vocabulary.characters.length });
  if (kind === "series") return seriesModel({ ...stack, features: columns.length });
  return regressionModel({ ...stack, features: columns.length, outputs: targets.length });
}
