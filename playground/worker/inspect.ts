/** @file What the compiler makes of a run's training step: its IR after each pass, its kernels, and what they cost. */

import { aboutPass } from "../../compiler/about-passes.ts";
import type { CpuKernelText } from "../../compiler/cpu-text.ts";
import { printGraph } from "../../compiler/graph/print.ts";
import type { Kernel } from "../../compiler/plan/program.ts";
import { carryLine, carryReports } from "../../compiler/recurrence/carry-report.ts";
import { chunkwise, type MemoryReport, memoryLine, memoryReports } from "../../compiler/recurrence/chunkwise.ts";
import type { Device } from "../../devices/device.ts";
import { countNodes, countWork } from "../../runtime/count-work.ts";
import { type Compiled, compileStep, compileStepForCpu, withPhaseOutputs } from "../../train/compile-step.ts";
import { adam } from "../../train/optimizers/gradient-descent.ts";
import { type TrainingStep, trainingStep } from "../../train/training-step.ts";
import type { Inspection } from "../shared/protocol.ts";
import { lineOf } from "./fault.ts";
import type { Run } from "./run.ts";

/** Places in the page's own scripts, which say nothing to a visitor. */
const inScripts = / {2}\/\/ (?:https?|blob):\S+$/gm;

export function inspectRun({ name, network, device, spec }: Run): Inspection {
  const { clipNorm, batch, time } = spec.settings;
  let memories: readonly MemoryReport[] = [];
  const step = trainingStep(network, { optimizer: adam(), clipNorm: clipNorm ?? undefined }, undefined, (loss) => {
    memories = memoryReports(loss);
    return chunkwise(loss);
  });
  const { stages, program } = device.kind === "cpu" ? compileStepForCpu(step) : compiledFor(device, step);
  const { dispatches, copies, bytes, slabBytes } = countWork(program, { B: batch, T: time });
  return {
    run: name,
    passes: stages.map(({ pass, graph }) => ({
      name: pass,
      about: aboutPass(pass) ?? "as the equations were traced",
      nodes: countNodes(graph),
      text: printGraph(graph, { sites: true }).replaceAll(inScripts, ""),
    })),
    kernels: program.kernels.map(kernelReport),
    schedules: program.schedules,
    carries: [...carryReports(stages.at(-1)?.graph ?? step.graph).map(carryLine), ...memories.map(memoryLine)],
    ...{ dispatches, copies, bytes, slabBytes },
  };
}

/** Kernels as this device runs them; the interpreter runs none, and shows those of a GPU. */
function compiledFor(device: Device, step: TrainingStep): Compiled {
  const { stages, program } = compileStep(step);
  const { graph, forward, backward } = withPhaseOutputs(step);
  const own = device.lower?.(graph, { donate: step.donate, phases: { forward: [forward], backward: [backward] } });
  return { stages, program: own === undefined || "module" in own ? program : own };
}

function kernelReport(kernel: Kernel | CpuKernelText): Inspection["kernels"][number] {
  const line = lineOf(kernel.site);
  const { name, label } = kernel;
  const shown =
    "wgsl" in kernel
      ? {
          language: "WGSL" as const,
          text: kernel.about + kernel.wgsl,
          about: `Workgroups of ${kernel.workgroupSize}, ${kernel.workgroupBytes} bytes of workgroup memory.`,
        }
      : {
          language: "WebAssembly" as const,
          text: kernel.wat,
          about: `Workgroups of 4 lanes of a vector, ${kernel.scratchBytes} bytes of scratch memory for each thread.`,
        };
  return { name, label, ...shown, ...(line !== undefined && { line }) };
}
