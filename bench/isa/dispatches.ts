/** @file The dispatches of a program at given sizes, each once, with how often it runs in a step of the sequence. */
import { bucketOf, type DimSizes, evaluateDim } from "../../compiler/graph/dim.ts";
import type { Dispatch, Kernel, Program, Step } from "../../compiler/plan/program.ts";
import { evaluateSize } from "../../runtime/walk.ts";
import type { BoundBuffer } from "./wave/memory-ops.ts";

export interface PlacedDispatch {
  readonly dispatch: Dispatch;
  readonly kernel: Kernel;
  /** Loops of the program around it. */
  readonly depth: number;
  /** Runs in one pass over the sequence, chunks taken as one. */
  readonly runs: number;
}

export function dispatchesOf(program: Program, sizes: DimSizes): PlacedDispatch[] {
  const found: PlacedDispatch[] = [];
  const visit = (step: Step, depth: number, runs: number): void => {
    if (step.kind === "dispatch") {
      const kernel = program.kernels[step.kernel];
      if (kernel !== undefined) found.push({ dispatch: step, kernel, depth, runs });
    } else if (step.kind === "loop")
      for (const inner of step.body) visit(inner, depth + 1, runs * evaluateDim(step.length, sizes));
    else if (step.kind === "choose")
      for (const inner of bucketOf(step.branches, evaluateDim(step.dim, sizes))?.steps ?? []) visit(inner, depth, runs);
  };
  for (const step of program.steps) visit(step, 0, 1);
  return found;
}

/** The buffers that a kernel binds, in the order of its bindings; `steps` are the words of its step uniform. */
export function buffersOf(program: Program, kernel: Kernel, sizes: DimSizes, steps: readonly number[]): BoundBuffer[] {
  const weights = program.inputs.find(({ name }) => name === "parameters")?.buffer;
  // Weights that pass by are packed once, in panels, which a loop reads instead.
  const isWeights = (buffer: number) =>
    buffer === weights || program.buffers[buffer]?.name.startsWith("panels") === true;
  const uniform = (words: readonly number[], isDynamic: boolean) => ({ words, isDynamic, isWeights: false });
  return [
    ...(kernel.uniforms.length > 0
      ? [
          uniform(
            kernel.uniforms.map(({ value }) => evaluateSize(value, sizes)),
            false,
          ),
        ]
      : []),
    ...(kernel.loops > 0 ? [uniform(steps, true)] : []),
    ...kernel.bindings.map(({ buffer }) => ({ words: undefined, isDynamic: false, isWeights: isWeights(buffer) })),
  ];
}
