/** @file What a trainer needs and the root entry does without until one is made: loaded by `createTrainer`. */
export { GraphsOnDemand } from "./graphs-on-demand.ts";
export { lossRewrite } from "./loss-rewrite.ts";
export { trainerRun } from "./run.ts";
