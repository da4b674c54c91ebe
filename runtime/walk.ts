/**
 * @file The walk over a program's steps at given sizes: branches are chosen, loops run step by step, sequences are cut, and
 * each dispatch gets its numbers of workgroups. Every device that runs programs walks them so.
 */
import { bucketOf, type DimSizes, evaluateDim } from "../compiler/graph/dim.ts";
import type { Choose, Chunks, Copy, Dispatch, GridPart, Loop, ScanStep, Size, Step } from "../compiler/plan/program.ts";

/** A dispatch as it runs once. */
export interface WalkedDispatch {
  readonly dispatch: Dispatch;
  /** Number of workgroups of each part of its grid; not all are none. */
  readonly groups: readonly number[];
  /** The step of each loop around it, the outermost first, then first step and end of its chunk where it has one. */
  readonly entry: readonly number[];
}

export function evaluateSize(size: Size, sizes: DimSizes): number {
  return size.reduce<number>((sum, dim) => sum + evaluateDim(dim, sizes), 0);
}

function workgroupsOf({ rows, rowsPer, columns, lanes }: GridPart, sizes: DimSizes): number {
  return Math.ceil((Math.ceil(evaluateSize(rows, sizes) / rowsPer) * evaluateSize(columns, sizes)) / lanes);
}

/** First step and end of each chunk. A loop of no steps is one chunk, which hands its initial carries on. */
export function chunkRanges({ length, steps }: Chunks, sizes: DimSizes): (readonly [first: number, end: number])[] {
  const total = evaluateDim(length, sizes);
  const count = Math.max(1, Math.ceil(total / steps));
  return Array.from({ length: count }, (_, i) => [i * steps, Math.min((i + 1) * steps, total)]);
}

/** What a loop runs, and how often. */
export function iterationsOf(
  { length, body, otherwise }: Loop,
  sizes: DimSizes,
): { steps: Loop["body"]; times: number } {
  const times = evaluateDim(length, sizes);
  return times === 0 ? { steps: otherwise, times: 1 } : { steps: body, times };
}

/** What a choice runs. */
export function branchOf({ dim, branches }: Choose, sizes: DimSizes): readonly ScanStep[] {
  return bucketOf(branches, evaluateDim(dim, sizes))?.steps ?? [];
}

/** Each dispatch and copy that runs, and how often: branches are chosen, and loops walked. */
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

/** The kernels of what no branch holds, and of the branches that are chosen where sizes are given. */
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

/** Each dispatch and copy in the order in which they run. What has no workgroups is left out. */
export function* walkSteps(steps: readonly Step[], sizes: DimSizes): Generator<WalkedDispatch | Copy> {
  // Within a loop the same dispatch comes again and again.
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
