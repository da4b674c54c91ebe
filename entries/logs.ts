/** @file The entry "cellgrad/logs": logs of training runs, for TensorBoard and as JSON lines, to any sink. */
export { type JsonLines, jsonLines } from "../train/logs/json-lines.ts";
export type { ByteSink, ByteStream, ByteStreamWriter, LogEnd } from "../train/logs/sink.ts";
export { type TensorboardWriter, tensorboardFileName, tensorboardWriter } from "../train/logs/tensorboard.ts";
