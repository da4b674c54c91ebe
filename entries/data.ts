/** @file The entry "cellgrad/data": texts and tables cut into batches for training. */
export type { Batch, Batches, BatchSizes } from "../train/data/batches.ts";
export {
  denormalise,
  type Normalisation,
  normalise,
  parseSeries,
  type Series,
  type SeriesBatches,
  seriesBatches,
} from "../train/data/series.ts";
export { textBatches, type Vocabulary, vocabularyFrom, vocabularyOf } from "../train/data/text.ts";
