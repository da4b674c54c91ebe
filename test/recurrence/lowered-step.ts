/** @file The graph of a training step of a small model, as it is lowered. */
import { zoo } from "../../cells/zoo.ts";
import type { Graph } from "../../compiler/graph/graph.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { languageModel } from "../../train/networks.ts";
import { sgd } from "../../train/optimizers/gradient-descent.ts";
import { trainingStep } from "../../train/training-step.ts";

export function loweredStep(name: string): Graph {
  const cell = zoo[name];
  if (cell === undefined) throw new Error(`the zoo has no ${name}`);
  const network = languageModel({ cell, units: 4, layers: 1, vocabulary: 5, embed: 3 });
  const step = trainingStep(network, { optimizer: sgd() });
  let last = step.graph;
  planProgram(step.graph, {
    donate: step.donate,
    onPass: ({ graph }) => {
      last = graph;
    },
  });
  return last;
}
