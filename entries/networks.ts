/** @file The entry "cellgrad/networks": networks around a cell, for text, series and what is to be found in a sequence. */
export {
  type Advance,
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
  type StackOptions,
  seriesModel,
} from "../train/networks.ts";
