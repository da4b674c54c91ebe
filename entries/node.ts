/**
 * @file The entry "cellgrad/node": what takes files, and so runs in Node and Deno but not in a page. Everything else is
 * in "cellgrad".
 */
export { type ByteSource, openSource, sourceOf } from "../cli/data/file-pieces.ts";
export { readIdxImages, readImageFolder } from "../cli/data/image-files.ts";
export { type TableSource, tableSource } from "../cli/data/table-source.ts";
export { byteSource, characterSource, type TextSource, tokenSource } from "../cli/data/text-source.ts";
export { tokenizerVocabulary } from "../cli/data/tokenizer.ts";
export { readLabelled, readSeries, readText } from "../cli/data-files.ts";
export { type KerasFile, readKeras } from "../cli/keras/keras-file.ts";
export { loadModel, saveModel } from "../cli/model-files.ts";
export { loadCell } from "../cli/user-module.ts";
export type { LayoutOptions } from "../train/data/table-layout.ts";
