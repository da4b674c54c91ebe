/** @file The entry "cellgrad/stream": trained networks at work, one time step after another. */
export {
  createStream,
  type ForecastOptions,
  forecast,
  type SampleOptions,
  type Stream,
  type StreamOptions,
  type StreamSource,
  type StreamState,
  type StreamStep,
  sampleText,
} from "../train/stream.ts";
