/**
 * @file How the invocations of a GPU share the reductions of a stage: a pure function of shapes. Sizes that are known
 * only at run time count as `likely`.
 *
 * A reduction along rows (its last axis) has teams of neighbours, one to a row. A reduction along columns has teams that
 * lie side by side, so that neighbours read neighbouring columns. A long one is cut into chunks, one to a workgroup,
 * whose sums a second kernel adds up.
 */
import { type Dim, dimCoefficient, dimFactors, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { nodeAt } from "../../graph/graph.ts";
import { loopExtentsOf } from "../stages/loops.ts";
import type { FormContext } from "./form.ts";
import { loopGroups } from "./loops.ts";

export interface SharedWork {
  /** Positions of a workgroup, and lanes to each: powers of two. */
  readonly across: number;
  readonly down: number;
  /** Workgroups to a position. */
  readonly chunks: number;
  /** Whether the lanes of a position are neighbours. */
  readonly inARow: boolean;
}

/** What a dimension that is known at run time counts as. */
const likely = 64;
/** Terms from which lanes share a reduction. */
const fewTerms = 16;
/** Terms of a lane in a row: fewer lanes would leave each more than it can wait for at once. */
const termsOfLane = 4;
/** Terms of a lane from which a second kernel is worth it. */
const manyTerms = 128;
/** Lanes that fill a large GPU. */
const fullDevice = 2 ** 16;
/** Lanes whose loads, several at a time, take all of a GPU's bandwidth. */
const busyDevice = 2 ** 13;
const mostChunks = 64;
const mostAcross = 32;
/** Lanes of a workgroup, and of one that has a dispatch to itself. */
const lanes = { shared: 64, alone: 256 };

/** How a stage is shared, or undefined if each position of it has one invocation. */
export function sharedWorkOf({ region, stage, tiles }: FormContext): SharedWork | undefined {
  const { form, loops, size } = stage;
  if (tiles.target !== "gpu" || loops.length === 0 || !(form === "element" || form === "tree")) return undefined;
  const nodes = loops.map((id) => nodeAt(region.graph, id));
  if (nodes.some(({ op }) => op === "scatterAdd")) return undefined;
  const terms = Math.max(...loops.map((id) => likelySize(sizeOf(loopExtentsOf(region, id)))));
  if (terms < fewTerms) return undefined;
  const positions = likelySize(size);
  const all = form === "tree" ? lanes.alone : lanes.shared;
  const inARow = nodes.every((node) => {
    if (node.op !== "sum" && node.op !== "reduceMax") return true;
    const { shape } = nodeAt(region.graph, at(node.operands, 0)).aval;
    return node.attrs.axes.includes(shape.length - 1);
  });
  const wanted = inARow
    ? Math.max(2, powerBelow(terms / termsOfLane))
    : all / Math.min(mostAcross, powerAbove(positions));
  const down = Math.min(all, wanted);
  const isOneLoop = loopGroups(region, stage.accumulators).every((group, i, groups) => {
    const earlier = groups.slice(0, i).flatMap((other) => other.flatMap((accumulator) => accumulator.loops));
    return group.every((accumulator) => !accumulator.loops.some((id) => dependsOnAny(region.graph.nodes, id, earlier)));
  });
  // Teams of neighbours that keep memory busy need no more workgroups.
  const isBusy = inARow && positions * down >= busyDevice;
  const chunks =
    isOneLoop && terms / down >= manyTerms && !isBusy
      ? powerBelow(Math.min(mostChunks, terms / down / (2 * termsOfLane), fullDevice / positions / down))
      : 1;
  return { across: all / down, down, chunks, inARow };
}

/** How the lanes of the second kernel share the sums of the chunks. */
export function chunksWork(size: Dim, chunks: number): SharedWork {
  const across = Math.max(lanes.shared / chunks, Math.min(16, powerAbove(likelySize(size))));
  return { across, down: lanes.shared / across, chunks: 1, inARow: false };
}

/** Whether a node reads one of others, directly or not. Ids are a topological order, so none before the first of them does. */
function dependsOnAny(
  nodes: readonly { readonly operands: readonly number[] }[],
  id: number,
  others: readonly number[],
): boolean {
  const first = Math.min(...others);
  const seen = new Set<number>();
  const visit = (next: number): boolean => {
    if (next <= first || seen.has(next)) return false;
    seen.add(next);
    return at(nodes, next).operands.some((operand) => others.includes(operand) || visit(operand));
  };
  return visit(id);
}

function likelySize(dim: Dim): number {
  return typeof dim === "number" ? dim : dimCoefficient(dim) * likely ** dimFactors(dim).length;
}

function powerBelow(limit: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, limit)));
}

function powerAbove(limit: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, limit)));
}
