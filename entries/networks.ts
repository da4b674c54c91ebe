/** @file The entry "cellgrad/networks": recurrent networks for text, series, regression and classification. */

export type { Advance, StackOptions } from "../train/cell-stack.ts";
export { type ClassifierOptions, classified, classifierModel } from "../train/classifier.ts";
export {
  type LanguageModelOptions,
  languageModel,
  type Network,
  type NetworkKind,
  type NetworkParts,
  type NetworkResult,
  type NetworkState,
  network,
  type RegressionModelOptions,
  regressionModel,
  type SeriesModelOptions,
  seriesModel,
} from "../train/networks.ts";
