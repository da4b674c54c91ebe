/**
 * @file Converts imported weights to a cellgrad model, a network around the matching built-in cell; and extracts the weights
 * of a model if it is such a network.
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

/** The meaning of inputs and outputs: symbols, or columns; with targets, the names of the predicted values. */
export type ModelMeaning = Pick<ModelDetails, "vocabulary" | "columns" | "normalisation" | "targets" | "classes">;

/**
 * Returns a model as if trained with cellgrad: a text model with a `vocabulary`, a series model with `columns`, a regression
 * model with `targets` too, a classifier with `classes`. Throws a UserError if weights and meaning do not fit.
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
    throw new UserError("its layers are bidirectional, so it cannot run step by step; use its parameters in code");
  return savedModel(networkFor(weights, meaning), toParameters(weights), meaning);
}

/**
 * Returns the weights of a model, for other frameworks; `where` is its name in messages. Throws a UserError if another
 * framework would compute something else with them: a cell can have a built-in name but another step, and a model can have
 * connections around its layers.
 */
export function weightsOf(model: SavedModel, where: string): NetworkWeights {
  if (model.kind === "objective")
    throw new UserError(
      `${where}: it is a custom objective, and other frameworks support only weights of networks; export it as ONNX`,
    );
  const cells = new Set(
    Object.keys(model.parameters).flatMap((path) => /^layers\/\d+\/([^/]+)\//.exec(path)?.[1] ?? []),
  );
  if (cells.size > 1)
    throw new UserError(
      `${where}: its layers are of different cells (${[...cells].map(quote).join(", ")}), and other frameworks support only layers of one cell; export it as ONNX`,
    );
  const weights = fromParameters(model.parameters, where);
  if (encodeGraph(streamingStep(networkFor(weights, model)).graph) !== encodeGraph(model.graph))
    throw new UserError(
      `${where}: it is not a plain stack of layers of the built-in cell ${quote(weights.cell)}, which is all that other frameworks support; export it as ONNX`,
    );
  return weights;
}

function networkFor(weights: NetworkWeights, { vocabulary, columns, targets, classes }: ModelMeaning): Network {
  const { cell, units, features, layers, embedding, head } = weights;
  if (head === undefined) throw new UserError("it has no dense layer after the recurrent ones, which a model needs");
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
    if (embedding === undefined) throw new UserError("it has no embedding, which a text model needs");
    expect("symbols in the vocabulary", vocabulary.length, embedding.shape[0] ?? 0, "rows of the embedding");
    const reads = { vocabulary: vocabulary.length, embed: features };
    expectFound();
    // Targets of a text are classes, also in files from before classifier models existed.
    if (classes !== undefined || targets !== undefined) return classifierModel({ ...stack, classes: outputs, reads });
    expect("symbols in the vocabulary", vocabulary.length, outputs, "outputs");
    return languageModel({ ...stack, ...reads });
  }
  if (embedding !== undefined) throw new UserError("it has an embedding; give the symbols of its vocabulary");
  if (columns === undefined) throw new UserError("give the names of its columns");
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
