/** @file The tables of bad input, by what they are about. */
export { cells } from "./cells.ts";
export { data } from "./data.ts";
export { models } from "./models.ts";
export { outputs } from "./outputs.ts";
export type { BadInput } from "./row.ts";
export { tasks } from "./tasks.ts";
export { usage } from "./usage.ts";
export { weights } from "./weights.ts";
