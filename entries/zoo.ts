/**
 * @file The entry "cellgrad/zoo": the cells that people train, beside those of the root entry. A cell with options is a
 * function that takes them: `recurrentHighway({ depth: 5 })`.
 */
export * from "../cells/zoo.ts";
