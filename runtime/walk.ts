/**
 * @file Walks over the steps of a program at given sizes: chooses branches, unrolls loops, splits sequences into chunks, and
 * computes the workgroup counts of each dispatch. Shared by all devices that run programs.
 */
import { bucketOf, type DimSizes, evaluateDim } from "../compiler/graph/dim.ts";
import type { Choose, Chunks, Copy, Dispatch, GridPart, Loop, ScanStep, Size, Step } from "../compiler/plan/program.ts";

/** One execution of a dispatch. */
export interface WalkedDispatch {
  readonly dispatch: Dispatch;
  /** Number of workgroups of each part of its grid; at least one is above 0. */
  readonly groups: readonly number[];
  /** The step of each enclosing loop, outermost first, then first step and end of its chunk if it has one. */
  readonly entry: readonly number[];
}

export function evaluateSize(size: Size, sizes: DimSizes): number {
  return size.reduce<number>((sum, dim) => sum + evaluateDim(dim, sizes), 0);
}

/** Number of workgroups of one part of a grid. */
export function workgroupsOf({ rows, rowsPer, columns, lanes }: GridPart, sizes: DimSizes): number {
  return Math.ceil((Math.ceil(evaluateSize(rows, sizes) / rowsPer) * evaluateSize(columns, sizes)) / lanes);
}

/** First step and end of each chunk. A loop without steps is one chunk, which passes its initial carries on. */
export function chunkRanges({ length, steps }: Chunks, sizes: DimSizes): (readonly [first: number, end: number])[] {
  const total = evaluateDim(length, sizes);
  const count = Math.max(1, Math.ceil(total / steps));
  return Array.from({ length: count }, (_, i) => [i * steps, Math.min((i + 1) * steps, total)]);
}

/** The steps that a loop runs, and how often. */
export function iterationsOf(
  { length, body, otherwise }: Loop,
  sizes: DimSizes,
): { steps: Loop["body"]; times: number } {
  const times = evaluateDim(length, sizes);
  return times === 0 ? { steps: otherwise, times: 1 } : { steps: body, times };
}

/** The steps of the chosen branch. */
export function branchOf({ dim, branches }: Choose, sizes: DimSizes): readonly ScanStep[] {
  return bucketOf(branches, evaluateDim(dim, sizes))?.steps ?? [];
}

/** Yields each dispatch and copy that runs, and how often, with branches chosen and loops counted. */
export function* runsOf(
  steps: readonly Step[],
  sizes: DimSizes,
  times = 1,
): Generator<{ readonly step: Dispatch | Copy; readonly times: number }> {
  for (const step of steps) {
    if (step.kind === "loop") {
      const iterations = iterationsOf(step, sizes);
      yield* runsOf(iterations.steps, sizes, times * iterations.times);
    } else if (step.kind === "choose") yield* runsOf(branchOf(step, sizes), sizes, times);
    else yield { step, times };
  }
}

/** The kernels outside of branches and, if sizes are given, those of the chosen branches. */
export function kernelsOf(steps: readonly Step[], sizes?: DimSizes): Set<number> {
  const kernels = new Set<number>();
  const walk = (step: Step): void => {
    if (step.kind === "dispatch") kernels.add(step.kernel);
    else if (step.kind === "loop") for (const inner of [...step.body, ...step.otherwise]) walk(inner);
    else if (step.kind === "choose" && sizes !== undefined) branchOf(step, sizes).forEach(walk);
  };
  steps.forEach(walk);
  return kernels;
}

/** Yields each dispatch and copy in execution order. Dispatches without workgroups are skipped. */
export function* walkSteps(steps: readonly Step[], sizes: DimSizes): Generator<WalkedDispatch | Copy> {
  // A dispatch in a loop is measured only once.
  const known = new Map<
    Dispatch,
    { readonly groups: readonly number[]; readonly ranges: readonly (readonly number[])[] }
  >();
  const measure = (dispatch: Dispatch) => {
    const { grid, chunks } = dispatch;
    const groups = grid.map((part) => workgroupsOf(part, sizes));
    const measured = { groups, ranges: chunks === undefined ? [[]] : chunkRanges(chunks, sizes) };
    known.set(dispatch, measured);
    return measured;
  };
  const walk = function* (step: Step, counts: readonly number[]): Generator<WalkedDispatch | Copy> {
    if (step.kind === "copy") yield step;
    else if (step.kind === "choose") for (const inner of branchOf(step, sizes)) yield* walk(inner, counts);
    else if (step.kind === "loop") {
      const length = evaluateDim(step.length, sizes);
      for (let count = 0; count < length; count++)
        for (const inner of step.body) yield* walk(inner, [...counts, count]);
      if (length === 0) for (const dispatch of step.otherwise) yield* walk(dispatch, counts);
    } else {
      const { groups, ranges } = known.get(step) ?? measure(step);
      if (groups.every((count) => count === 0)) return;
      for (const range of ranges) yield { dispatch: step, groups, entry: [...counts, ...range] };
    }
  };
  for (const step of steps) yield* walk(step, []);
}
