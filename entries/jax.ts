/** @file The entry "cellgrad/jax": cells and graphs as readable JAX source, for training on clusters. */
export { type ModelToJaxOptions, modelToJax } from "../interchange/jax/model.ts";
export { cellToJax, type GraphToJaxOptions, graphToJax, type JaxOptions } from "../interchange/jax/print.ts";
export type { SourceLine } from "../interchange/jax/source-names.ts";
