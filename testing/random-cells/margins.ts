/**
 * @file The margin of a run: its distance from a jump of the derivative or a flip of a decision. Too close, difference
 * quotients are meaningless and rounding to f32 can flip the decision: cells with a margin below `leastMargin` are
 * discarded.
 */
import { at } from "../../compiler/graph/errors.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../../compiler/graph/graph.ts";
import { type NdArray, stridesOf } from "../../compiler/graph/ndarray.ts";
import { isActive, isLive } from "./flow.ts";

export const leastMargin = 1e-3;

/** Least margin of values that only rounding can change, not the inputs; exact ties stay exact. */
const leastFixedMargin = 1e-6;

/** Each element's distance from a jump of the op, or undefined if the op has none. */
function distances(node: Node, operands: readonly NdArray[]): Float64Array | undefined {
  const [x, y] = operands;
  if (x === undefined || x.dtype !== "f32") return undefined;
  switch (node.op) {
    case "less":
    case "equal":
    case "min":
    case "max":
      return x.data.map((value, i) => Math.abs(value - ((y ?? x).data[i] ?? 0)));
    case "abs":
      return x.data.map(Math.abs);
    case "floor":
      return x.data.map((value) => Math.abs(value - Math.round(value)));
    case "round":
      return x.data.map((value) => Math.abs(value - Math.floor(value) - 0.5));
    case "cast":
      if (node.attrs.dtype === "bool") return x.data.map(Math.abs);
      // Truncation does not jump at 0.
      return x.data.map((value) => Math.abs(Math.abs(value) - Math.max(1, Math.round(Math.abs(value)))));
    case "reduceMax":
      return gaps(x, node.attrs.axes);
    default:
      return undefined;
  }
}

/** The difference of the two largest elements, for each element of a maximum; infinite if there is only one. */
function gaps(x: NdArray, axes: readonly number[]): Float64Array {
  const groups = new Map<number, number[]>();
  const strides = stridesOf(x.shape);
  for (const [i, value] of x.data.entries()) {
    const group = strides.reduce(
      (sum, stride, axis) => (axes.includes(axis) ? sum : sum + (Math.floor(i / stride) % at(x.shape, axis)) * stride),
      0,
    );
    groups.set(group, [...(groups.get(group) ?? []), value]);
  }
  return Float64Array.from([...groups.values()], (values) => {
    const [first = 0, second] = values.sort((a, b) => b - a);
    return second === undefined ? Number.POSITIVE_INFINITY : first - second;
  });
}

/** Continuous ops: only their gradient jumps, which matters only if a gradient flows. */
const continuous = new Set(["min", "max", "abs", "reduceMax"]);

/**
 * The least margin of a graph without scans, from the values of its nodes on the inputs and on jittered inputs: an element
 * that is equal in all runs does not depend on the inputs.
 */
export function marginOf(
  graph: Graph,
  moves: readonly boolean[],
  values: readonly NdArray[],
  jittered: readonly (readonly NdArray[])[],
): number {
  const live = isLive(graph);
  const active = isActive(graph, moves);
  let margin = Number.POSITIVE_INFINITY;
  for (const [id, node] of graph.nodes.entries()) {
    if (!live[id] || (continuous.has(node.op) && !active[id])) continue;
    if (node.operands.length === 2 && node.operands[0] === node.operands[1]) continue;
    const operands = node.operands.map((operand) => at(values, operand));
    const here = distances(node, operands);
    const moved = jittered.map((run) =>
      distances(
        node,
        node.operands.map((operand) => at(run, operand)),
      ),
    );
    here?.forEach((distance, i) => {
      if (moved.some((there) => there?.[i] !== distance)) margin = Math.min(margin, distance);
      else if (distance < leastFixedMargin && !isExactTie(graph, node, operands, i, distance)) margin = 0;
    });
  }
  return margin;
}

/**
 * Copies of one value tie for all inputs, and two zeros compare equal in any arithmetic, unless they result from a sum:
 * terms that cancel in float64 need not cancel in f32.
 */
function isExactTie(graph: Graph, node: Node, operands: readonly NdArray[], i: number, distance: number): boolean {
  if (continuous.has(node.op)) return distance === 0;
  return operands.every(({ data }) => data[i] === 0) && !node.operands.some((operand) => isSum(graph, operand));
}

const sums = new Set(["add", "sub", "sum", "dot", "scatterAdd"]);
const views = new Set(["reshape", "broadcast", "slice", "transpose", "gather", "concat", "pad", "neg", "abs", "mul"]);

function isSum(graph: Graph, id: NodeId): boolean {
  const { op, operands } = nodeAt(graph, id);
  return sums.has(op) || (views.has(op) && operands.some((operand) => isSum(graph, operand)));
}
