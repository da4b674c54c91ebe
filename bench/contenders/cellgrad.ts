/** @file cellgrad: the whole training step (loss, gradient, update), as `createTrainer` runs it. */

import { type OpenDeviceOptions, openDevice } from "../../devices/open-device.ts";
import { createTrainer, type Device, type TrainerOptions } from "../../index.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import type { Contender, Run } from "../measure/contender.ts";
import type { Workload } from "../measure/workload.ts";

export function cellgradOn(
  options: OpenDeviceOptions,
  work: string,
  training: Pick<TrainerOptions, "learningRate" | "clipNorm">,
): Contender {
  let device: Device | undefined;
  return {
    name: "cellgrad",
    work,
    version: BENCH_VERSIONS.cellgrad,
    open: async () => {
      device ??= await openDevice(options);
    },
    adapter: () => device?.name ?? "",
    prepare: (workload) => {
      if (device === undefined) throw new Error("call open() first");
      return prepare(device, workload, { optimizer: adam(), ...training });
    },
  };
}

export const cellgrad = cellgradOn({ device: "auto" }, "gradient, clipping, Adam", { learningRate: 1e-3, clipNorm: 1 });

async function prepare(device: Device, workload: Workload, training: TrainerOptions): Promise<Run> {
  let compileMs: number | undefined;
  // The trainer traces the graph before it compiles it: this times passes, kernels and pipelines.
  const watched: Device = {
    ...device,
    compile: async (graph, options) => {
      const start = performance.now();
      const executable = await device.compile(graph, options);
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
