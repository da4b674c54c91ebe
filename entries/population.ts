/** @file The entry "cellgrad/population": many models of one network, trained at once. */

export { Hyperparameter, hyperparameter, type Rate } from "../train/hyperparameter.ts";
export { createPopulation } from "../train/population.ts";
export type { Population, PopulationOptions } from "../train/population-interface.ts";
