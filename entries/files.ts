/** @file The entry "cellgrad/files": models and cells as bytes and JSON, which run no code when they are read. */
export {
  type CellTrace,
  cellFromTrace,
  type StackSize,
  type TracedCell,
  type TracedState,
  traceCell,
} from "../compiler/dsl/traced-cell.ts";
export { decodeModel, encodeModel, type ModelDetails, type SavedModel, savedModel } from "../train/model-file.ts";
export { decodeTensors, encodeTensors, type TensorFile } from "../train/safetensors.ts";
export { decodeCell, encodeCell } from "../train/traced-cell-json.ts";
export type { Tuned } from "../train/tuned.ts";
