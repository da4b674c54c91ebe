/**
 * @file The entry "cellgrad/node": functions that read and write files, in Node and Deno. All other entries run in browsers
 * too.
 */

export { readLabelled, readSeries, readText } from "../disk/data-files.ts";
export { type ByteSource, openSource, sourceOf } from "../disk/file-pieces.ts";
export { readIdxImages, readImageFolder } from "../disk/image-files.ts";
export { type KerasFile, readKeras } from "../disk/keras/keras-file.ts";
export { loadModel, saveModel } from "../disk/model-files.ts";
export { type TableSource, tableSource } from "../disk/table-source.ts";
export { byteSource, characterSource, type TextSource, tokenSource } from "../disk/text-source.ts";
export { loadCell } from "../disk/user-module.ts";
export type { LayoutOptions } from "../train/data/table-layout.ts";
export { tokenizerVocabulary } from "../train/data/tokenizer.ts";
