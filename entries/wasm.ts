/** @file The entry "cellgrad/wasm": trained models as WebAssembly that runs without cellgrad. */
export { modelToWasm, type StandaloneModel, type StandaloneOptions } from "../interchange/standalone/model.ts";
