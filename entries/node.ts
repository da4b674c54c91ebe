/**
 * @file The entry "cellgrad/node": what takes files, and so runs in Node and Deno but not in a page. Everything else is
 * in "cellgrad".
 */
export { readSeries, readText } from "../cli/data-files.ts";
export { loadModel, saveModel } from "../cli/model-files.ts";
export { loadCell } from "../cli/user-module.ts";
