/**
 * @file The entry "cellgrad/zoo": All cells, those of the root entry included. A cell with options is a function that
 * takes them: `recurrentHighway({ depth: 5 })`.
 */
export * from "../cells/zoo.ts";
