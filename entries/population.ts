/** @file `cellgrad/population`: many models of one network, trained at once. */
export { createPopulation } from "../train/population.ts";
export type { Population, PopulationOptions } from "../train/population-interface.ts";
