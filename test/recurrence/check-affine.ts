/**
 * @file What holds of a random cell whose carries are affine by construction: the analysis takes every carry, of its
 * gradient and of the derivative of that as well; the graph that is parallel over time means the same to the
 * interpreter; and devices compute the same in chunks of time as one step after another.
 */
import { type Graph, nodeAt, type ScanAttrs } from "../../compiler/graph/graph.ts";
import { interpret } from "../../compiler/ops/interpret.ts";
import { optimize } from "../../compiler/optimize.ts";
import { carryForms } from "../../compiler/recurrence/carry-forms.ts";
import { reasonAgainstParallel } from "../../compiler/recurrence/parallel-scan.ts";
import type { Executor } from "../../testing/executor.ts";
import { isFiniteArray, jittered, norm, relativeError } from "../../testing/numbers/compare.ts";
import { direction, expectBelow, prepare, sameOn } from "../../testing/random-cells/cell-checks.ts";
import { lossGraphs, lossOfCell } from "../../testing/random-cells/cell-graphs.ts";
import type { CellPlan } from "../../testing/random-cells/cell-plan.ts";
import { reasonNotTo } from "../../testing/random-cells/check-loss.ts";
import { buildCell } from "../../testing/random-cells/random-cell.ts";
import { inParallel } from "./in-parallel.ts";

/** What became of a cell, and of its loops. */
export interface AffineOutcome {
  readonly isDiscarded: boolean;
  /** Loops that ran in parallel. */
  readonly loops: number;
  /** Why others did not, though their carries are affine. */
  readonly refused: readonly string[];
}

export const loopsOf = (graph: Graph): ScanAttrs[] =>
  graph.nodes.flatMap((node) => (node.op === "scan" && node.attrs.carries > 0 ? [node.attrs] : []));

/** Throws unless every carry of every loop composes. */
function allCompose(graph: Graph, what: string): void {
  for (const attrs of loopsOf(graph))
    for (const { carries, form, cause } of carryForms(attrs)) {
      const isFloat = carries.every((carry) => nodeAt(attrs.body, attrs.body.outputs[carry] ?? 0).aval.dtype === "f32");
      if (isFloat && cause !== undefined)
        throw new Error(`${what}: carries ${carries} are ${form} because of ${cause.op}`);
    }
}

/** Checks a cell in chunks of `steps` steps, and on executors. `order` 2 also checks the gradient's derivative. */
export async function checkAffine(
  plan: CellPlan,
  steps: number,
  executors: readonly Executor[],
  order: 1 | 2,
): Promise<AffineOutcome> {
  const prepared = prepare(lossGraphs(lossOfCell(buildCell(plan))));
  const { gradients, inputs, scale } = prepared;
  if (!gradients.every(isFiniteArray) || (await reasonNotTo(prepared)) !== undefined)
    return { isDiscarded: true, loops: 0, refused: [] };
  const gradient = optimize(prepared.gradient);
  allCompose(gradient, "gradient");
  const { graph, loops } = inParallel(gradient, steps);
  expectBelow(relativeError(interpret(graph, inputs).slice(1), gradients, scale), 1e-9, "gradient in parallel");
  const refused = loopsOf(gradient).flatMap((attrs) => reasonAgainstParallel(attrs) ?? []);
  for (const executor of executors) await sameOn(executor, prepared);
  if (order === 2) {
    const second = optimize(prepared.second().reverse);
    allCompose(second, "second order");
    const along = direction(prepared, 4);
    const given = [...inputs, ...along];
    const expected = interpret(prepared.second().reverse, given);
    const moved = [...jittered(inputs, prepared.moving, prepared.seed), ...along];
    const size = Math.max(norm(expected), relativeError(interpret(second, moved), expected, 1), 1e-4 * scale);
    const came = inParallel(second, steps);
    if (Number.isFinite(size))
      expectBelow(relativeError(interpret(came.graph, given), expected, size), 1e-8, "second order in parallel");
    return { isDiscarded: false, loops: loops + came.loops, refused };
  }
  return { isDiscarded: false, loops, refused };
}
