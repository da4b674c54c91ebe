/** @file What the compiler makes of a run's training step: its IR after each pass, its kernels, and what they cost. */

import { aboutPass } from "../../compiler/about-passes.ts";
import { printGraph } from "../../compiler/graph/print.ts";
import { countNodes, countWork } from "../../runtime/count-work.ts";
import { compileStep, withPhaseOutputs } from "../../train/compile-step.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import { trainingStep } from "../../train/training-step.ts";
import type { Inspection } from "../shared/protocol.ts";
import { lineOf } from "./fault.ts";
import type { Run } from "./run.ts";

export function inspectRun({ name, network, device, spec }: Run): Inspection {
  const { clipNorm, batch, time } = spec.settings;
  const step = trainingStep(network, { optimizer: adam(), clipNorm: clipNorm ?? undefined });
  const { stages, program: portable } = compileStep(step);
  const { graph, forward, backward } = withPhaseOutputs(step);
  const own = device.lower?.(graph, { donate: step.donate, phases: { forward: [forward], backward: [backward] } });
  // Kernels as this device runs them, where they have a text; others show those of a GPU.
  const program = own === undefined || "module" in own ? portable : own;
  const { dispatches, copies, bytes, slabBytes } = countWork(program, { B: batch, T: time });
  return {
    run: name,
    passes: stages.map(({ pass, graph }) => ({
      name: pass,
      about: aboutPass(pass) ?? "as the equations were traced",
      nodes: countNodes(graph),
      text: printGraph(graph, { sites: true }),
    })),
    kernels: program.kernels.map(({ name, label, site, workgroupSize, workgroupBytes, about, wgsl }) => {
      const line = lineOf(site);
      return {
        name,
        label,
        workgroupSize,
        workgroupBytes,
        wgsl: about + wgsl,
        ...(line === undefined ? {} : { line }),
      };
    }),
    schedules: program.schedules,
    ...{ dispatches, copies, bytes, slabBytes },
  };
}
