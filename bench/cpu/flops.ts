/** @file The work of a training step, as counted by cellgrad. */
import { buildProgram } from "../../compiler/compile.ts";
import { profileKernels } from "../../runtime/profile.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import { trainingStep } from "../../train/training-step.ts";
import { makeWorkload } from "../measure/workload.ts";
import type { Case } from "./cases.ts";

/** Floating-point operations of cellgrad's kernels in one step. */
export function flopsOf({ cell, sizes }: Case): number {
  const { network } = makeWorkload(cell, sizes);
  const { graph, donate } = trainingStep(network, { optimizer: adam() });
  const program = buildProgram(graph, { donate });
  const all = new Map(program.kernels.map((_, kernel) => [kernel, 1]));
  const profiles = profileKernels(program, { B: sizes.batch, T: sizes.time }, all);
  return profiles.reduce((sum, { flops }) => sum + flops, 0);
}
