/**
 * @file cellgrad: the whole training step (loss, gradient, clipping by the global norm, Adam) as `createTrainer` runs it.
 */

import { openDevice } from "../../devices/open-device.ts";
import { createTrainer, type Device } from "../../index.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import type { Contender, Run } from "../measure/contender.ts";
import type { Workload } from "../measure/workload.ts";

let device: Device | undefined;

const training = { optimizer: adam(), learningRate: 1e-3, clipNorm: 1 };

export const cellgrad: Contender = {
  name: "cellgrad",
  work: "gradient, clipping, Adam",
  version: BENCH_VERSIONS.cellgrad,
  open: async () => {
    device ??= await openDevice({ device: "auto" });
  },
  adapter: () => device?.name ?? "",
  prepare,
};

async function prepare(workload: Workload): Promise<Run> {
  if (device === undefined) throw new Error("open() comes first");
  const opened = device;
  let compileMs: number | undefined;
  // The graph is traced when the trainer asks for its program: what is timed is passes, WGSL and pipelines.
  const watched: Device = {
    ...opened,
    compile: async (graph, options) => {
      const start = performance.now();
      const executable = await opened.compile(graph, options);
      compileMs = performance.now() - start;
      return executable;
    },
  };
  const trainer = await createTrainer(watched, workload.network, training);
  trainer.setParameters(workload.parameters);
  const batch = { x: workload.x, targets: workload.targets, fresh: true };
  return {
    step: async () => (await trainer.step(batch)).loss,
    gradientNorm: async () => {
      const { gradientNorm } = await trainer.step(batch);
      trainer.setParameters(workload.parameters);
      return gradientNorm;
    },
    dispose: trainer.destroy,
    ...(compileMs === undefined ? {} : { compileMs }),
  };
}
