/** @file Compiles one training step and keeps what each pass made of its graph. Nothing here needs a device. */
import { type CompileTrace, compileProgram } from "../../compiler/compile.ts";
import type { Program } from "../../compiler/plan/program.ts";
import type { TrainingStep } from "../../train/training-step.ts";

export interface Compiled {
  /** The graph as traced, and after each pass. */
  readonly stages: readonly CompileTrace[];
  readonly program: Program;
}

export function compileStep({ graph, donate }: TrainingStep): Compiled {
  const stages: CompileTrace[] = [];
  const program = compileProgram(graph, { donate, onPass: (stage) => stages.push(stage) });
  return { stages, program };
}
