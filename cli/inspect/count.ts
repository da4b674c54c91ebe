/** @file Counts a program's work at given sizes: dispatches by phase, with loops walked, and bytes of its buffers. */

import { type Dim, type DimSizes, evaluateDim } from "../../compiler/graph/dim.ts";
import type { Phase, Program, Size, Step } from "../../compiler/plan/program.ts";

export interface Work {
  readonly dispatches: Readonly<Record<Phase, number>>;
  /** Copies between buffers. */
  readonly copies: number;
  /** Of all buffers: the program's own arenas, and its inputs (weights, optimizer slots, state, batch). */
  readonly bytes: number;
  readonly arenaBytes: number;
}

const BYTES_PER_ELEMENT = 4;

export function countWork(program: Program, sizes: DimSizes): Work {
  const dispatches: Record<Phase, number> = { forward: 0, backward: 0, update: 0 };
  let copies = 0;
  const walk = (steps: readonly Step[], times: number) => {
    for (const step of steps) {
      if (step.kind === "dispatch") dispatches[step.phase] += times;
      else if (step.kind === "copy") copies += times;
      else walk(step.body, times * evaluateDim(step.length, sizes));
    }
  };
  walk(program.steps, 1);
  const bytesOf = (role?: "arena") =>
    program.buffers
      .filter((buffer) => role === undefined || buffer.role === role)
      .reduce((total, { size }) => total + BYTES_PER_ELEMENT * elements(size, sizes), 0);
  return { dispatches, copies, bytes: bytesOf(), arenaBytes: bytesOf("arena") };
}

/** A size is a sum of dimensions. */
function elements(size: Size, sizes: DimSizes): number {
  return size.reduce<number>((total, dim: Dim) => total + evaluateDim(dim, sizes), 0);
}
