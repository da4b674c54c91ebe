/** @file The entry "cellgrad/data": texts, tables, labelled sequences and images, cut into batches for training. */
export {
  type Batch,
  type Batches,
  type BatchSizes,
  batchesOf,
  type Recording,
  type RecordingEntries,
} from "../train/data/batches.ts";
export { byteVocabulary } from "../train/data/bytes.ts";
export type { Decimal } from "../train/data/field.ts";
export {
  type GreyImage,
  type IdxArray,
  imagesOfIdx,
  type PixelOptions,
  parseIdx,
  parsePgm,
  pixelSequences,
} from "../train/data/images.ts";
export {
  type LabelledBatchSizes,
  type LabelledSequences,
  labelledBatches,
  noClass,
  parseLabelled,
} from "../train/data/labelled.ts";
export { denormalise, type Normalisation, normalise } from "../train/data/normalisation.ts";
export { type BatchStream, type PiecedRecording, type StreamedBatches, streamedBatches } from "../train/data/pieces.ts";
export {
  parseSeries,
  type Series,
  type SeriesBatches,
  type SeriesBatchSizes,
  seriesBatches,
} from "../train/data/series.ts";
export { parseSeriesText, type TextBlob } from "../train/data/series-text.ts";
export type { TableOptions } from "../train/data/table.ts";
export type { LayoutOptions } from "../train/data/table-layout.ts";
export { textBatches, type Vocabulary, vocabularyFrom, vocabularyOf } from "../train/data/text.ts";
export { streamedTextBatches, type TextStreamSizes } from "../train/data/text-stream.ts";
