/**
 * @file The entry "cellgrad/stream": inference with trained networks, step by step or in whole batches, sampling text and
 * forecasting.
 */
export type { PredictionBatch } from "../train/batch-inputs.ts";
export { type ClassGuess, type ClassOptions, classGuesses } from "../train/class-guesses.ts";
export { createPredictor, type Predictions, type Predictor, type PredictorOptions } from "../train/predictor.ts";
export {
  createStream,
  type ForecastOptions,
  forecast,
  type ModelSource,
  type SampleOptions,
  type Stream,
  type StreamOptions,
  type StreamState,
  type StreamStep,
  sampleText,
} from "../train/stream.ts";
