/**
 * @file The entry "cellgrad/files": models and cells as bytes and JSON, and models in the stores of browsers. Reading them
 * runs no code.
 */
export {
  type CellTrace,
  cellFromTrace,
  type StackSize,
  type TracedCell,
  type TracedState,
  traceCell,
} from "../compiler/dsl/traced-cell.ts";
export type { FileHandle, FileWritable } from "../train/files/file-handle.ts";
export { type IndexedDbModel, indexedDbModel, indexedDbModels } from "../train/files/indexed-db.ts";
export { decodeModel, encodeModel, type ModelDetails, type SavedModel, savedModel } from "../train/files/model-file.ts";
export { loadModel, type ModelPlace, type ModelStore, saveModel } from "../train/files/model-store.ts";
export { decodeTensors, encodeTensors, type TensorFile } from "../train/files/safetensors.ts";
export { decodeCell, encodeCell } from "../train/files/traced-cell-json.ts";
export type { Tuned } from "../train/files/tuned.ts";
