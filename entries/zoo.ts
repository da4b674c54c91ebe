/**
 * @file The entry "cellgrad/zoo": all cells, including those of the root entry. A cell with options is a function of them:
 * `recurrentHighway({ depth: 5 })`.
 */
export * from "../cells/zoo.ts";
