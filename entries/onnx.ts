/** @file The entry "cellgrad/onnx": trained models and graphs as ONNX, for other runtimes. */
export { encodeOnnx, type OnnxOptions } from "../interchange/onnx/encode.ts";
export { modelToOnnx, type OnnxForm } from "../interchange/onnx/model.ts";
export type { NameOfPart } from "../interchange/onnx/translate.ts";
