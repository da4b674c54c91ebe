/** @file Compiles one training step and records its graph after each pass. Needs no device. */
import { compileProgram } from "../compiler/compile.ts";
import { type CpuKernelText, cpuProgramText } from "../compiler/cpu-text.ts";
import { at, InternalError } from "../compiler/graph/errors.ts";
import type { Graph } from "../compiler/graph/graph.ts";
import type { Kernel, Program } from "../compiler/plan/program.ts";
import type { ScheduleChoice } from "../compiler/plan/scan/names.ts";
import type { CompileProgramOptions, CompileTrace } from "../compiler/plan-program.ts";
import type { TrainingStep } from "./training-step.ts";

/** A compiled step; `K` is the type of its kernels: WGSL, or WebAssembly text. */
export interface Compiled<K = Kernel> {
  /** The graph as traced, and after each pass. */
  readonly stages: readonly CompileTrace[];
  readonly program: Program<K>;
}

/** How a step is compiled: in which precision, and with which choices of a search. */
export type StepOptions = Pick<CompileProgramOptions, "tuning" | "precision">;

/** For WebGPU. */
export function compileStep(
  step: TrainingStep,
  schedule: ScheduleChoice = "auto",
  options: StepOptions = {},
): Compiled {
  return compiled(step, compileProgram, schedule, options);
}

/** For a CPU. */
export function compileStepForCpu(
  step: TrainingStep,
  schedule: ScheduleChoice = "auto",
  options: StepOptions = {},
): Compiled<CpuKernelText> {
  return compiled(step, cpuProgramText, schedule, options);
}

function compiled<K>(
  step: TrainingStep,
  compile: (graph: Graph, options: CompileProgramOptions) => Program<K>,
  schedule: ScheduleChoice,
  { tuning, precision }: StepOptions,
): Compiled<K> {
  const stages: CompileTrace[] = [];
  const { graph, forward, backward } = withPhaseOutputs(step);
  const program = compile(graph, {
    donate: step.donate,
    schedule,
    tuning,
    precision,
    phases: { forward: [forward], backward: [backward] },
    onPass: (stage) => stages.push(stage),
  });
  return { stages, program };
}

/**
 * The step with the loss and the gradient norm as two more outputs: the operations that the loss needs are the forward pass,
 * those that the norm needs beyond it are the backward pass, and the rest is the update.
 */
export function withPhaseOutputs({ graph, outputs }: TrainingStep): {
  graph: Graph;
  forward: number;
  backward: number;
} {
  const metrics = at(graph.nodes, at(graph.outputs, outputs.metrics ?? -1));
  if (metrics.op !== "concat") throw new InternalError("the metrics of a training step are not a concat");
  // Loss, gradient norm and whether the update was applied, each reshaped to [1].
  const [loss, norm] = metrics.operands.map((id) => at(at(graph.nodes, id).operands, 0));
  if (loss === undefined || norm === undefined) throw new InternalError("a training step lacks metrics");
  const forward = graph.outputs.length;
  return { graph: { ...graph, outputs: [...graph.outputs, loss, norm] }, forward, backward: forward + 1 };
}
