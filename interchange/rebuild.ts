/**
 * @file A model of this library out of the weights of another: the network around a built-in cell that they fit; and the
 * weights of a model, where it is such a network.
 */

import { cells } from "../cells/index.ts";
import { reluRnn } from "../cells/relu-rnn.ts";
import type { CellDefinition } from "../compiler/dsl/cell.ts";
import { UserError } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { classifierModel } from "../train/classifier.ts";
import { encodeGraph } from "../train/files/graph-json.ts";
import { type ModelDetails, type SavedModel, savedModel } from "../train/files/model-file.ts";
import { languageModel, type Network, regressionModel, seriesModel } from "../train/networks.ts";
import { streamingStep } from "../train/prediction-step.ts";
import { isBidirectional, layoutOf, type NetworkWeights } from "./network-weights.ts";
import { fromParameters, toParameters } from "./parameters.ts";
import { quote } from "./tensor-bag.ts";

/** What the numbers that go in and come out mean: symbols, or columns; with targets, what is found in them. */
export type ModelMeaning = Pick<ModelDetails, "vocabulary" | "columns" | "normalisation" | "targets" | "classes">;

/**
 * A model that streams, as if it had been trained here: of text with a `vocabulary`, of a series with `columns`, of what is
 * found in a sequence with `targets` too, a classifier with `classes`. Throws a UserError where weights and meaning do not fit.
 */
export function modelFrom(weights: NetworkWeights, meaning: ModelMeaning): SavedModel {
  checkedOptions("modelFrom", meaning, {
    vocabulary: "list",
    columns: "list",
    normalisation: "object",
    targets: "list",
    classes: "list",
  });
  if (isBidirectional(weights))
    throw new UserError("its layers run both ways, so it cannot go on step by step; use its parameters in code");
  return savedModel(networkFor(weights, meaning), toParameters(weights), meaning);
}

/**
 * The weights of a model, for other frameworks; `where` is what messages call it. Throws a UserError where another
 * framework would compute something else with them: names alone do not make a cell, and a model may have connections
 * around its layers.
 */
export function weightsOf(model: SavedModel, where: string): NetworkWeights {
  if (model.kind === "objective")
    throw new UserError(
      `${where}: it is a custom objective, and other frameworks take the weights of networks; export it as ONNX`,
    );
  const cells = new Set(
    Object.keys(model.parameters).flatMap((path) => /^layers\/\d+\/([^/]+)\//.exec(path)?.[1] ?? []),
  );
  if (cells.size > 1)
    throw new UserError(
      `${where}: its layers are of different cells (${[...cells].map(quote).join(", ")}), and a module of another framework has layers of one; export it as ONNX`,
    );
  const weights = fromParameters(model.parameters, where);
  if (encodeGraph(streamingStep(networkFor(weights, model)).graph) !== encodeGraph(model.graph))
    throw new UserError(
      `${where}: it computes something else than layers of the built-in cell ${quote(weights.cell)} on top of each other, which is all that other frameworks have; export it as ONNX`,
    );
  return weights;
}

function networkFor(weights: NetworkWeights, { vocabulary, columns, targets, classes }: ModelMeaning): Network {
  const { cell, units, features, layers, embedding, head } = weights;
  if (head === undefined) throw new UserError("it has no dense layer behind the recurrent ones, which a model needs");
  const stack = { cell: definitionOf(cell), units, layers: layers.length };
  const outputs = head.bias.data.length;
  const expect = (what: string, found: number, wanted: number, of: string) => {
    if (found !== wanted) throw new UserError(`there are ${found} ${what} for ${wanted} ${of}`);
  };
  const expectFound = () => {
    if (classes !== undefined) expect("classes", classes.length, outputs, "outputs");
    else if (targets !== undefined) expect("targets", targets.length, outputs, "outputs");
  };
  if (vocabulary !== undefined) {
    if (embedding === undefined) throw new UserError("it has no embedding, which a model of text needs");
    expect("symbols in the vocabulary", vocabulary.length, embedding.shape[0] ?? 0, "rows of the embedding");
    const reads = { vocabulary: vocabulary.length, embed: features };
    expectFound();
    // What is found in texts is a class, also in files of before there were such models.
    if (classes !== undefined || targets !== undefined) return classifierModel({ ...stack, classes: outputs, reads });
    expect("symbols in the vocabulary", vocabulary.length, outputs, "outputs");
    return languageModel({ ...stack, ...reads });
  }
  if (embedding !== undefined) throw new UserError("it has an embedding; name the symbols of its vocabulary");
  if (columns === undefined) throw new UserError("name its columns");
  expect("columns", columns.length, features, "features");
  expectFound();
  if (classes !== undefined) return classifierModel({ ...stack, classes: outputs, reads: { features } });
  if (targets !== undefined) return regressionModel({ ...stack, features, outputs });
  expect("columns", columns.length, outputs, "outputs");
  return seriesModel({ ...stack, features });
}

const definitions: Readonly<Record<string, CellDefinition>> = {
  ...cells,
  [reluRnn.cellName]: reluRnn as CellDefinition,
};

function definitionOf(cell: string): CellDefinition {
  layoutOf(cell);
  const definition = definitions[cell];
  if (definition === undefined) throw new UserError(`there is no built-in cell ${quote(cell)}`);
  return definition;
}
