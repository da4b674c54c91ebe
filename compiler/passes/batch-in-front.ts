/**
 * @file Values that enter and leave a loop have the batch in front. A step that is written for a stack, such as one matrix
 * for each head, has the stack in front: [heads, B, d]; its values are transposed where they are stored, so that a
 * schedule finds the rows of the batch in one place.
 */
import type { Shape } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { Fold } from "../graph/fold.ts";
import { type Graph, inputName, type NodeId, nodeAt, type ScanNode } from "../graph/graph.ts";
import { copyRules, emitResults } from "../ops/inline.ts";
import { transpose } from "../ops/views.ts";
import { Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { rewriteGraph } from "./rewrite.ts";

/**
 * The axis of the batch in a value of a step; 0 if it is in front, or if there is none. A step with a loop in it, whose ys
 * have their steps in front, and one that is computed again, run stepwise anyway.
 */
function batchAxis({ attrs: { body, consts, recompute } }: ScanNode, shape: Shape): number {
  if (recompute || body.nodes.some(({ op }) => op === "scan")) return 0;
  const [rows] = nodeAt(body, body.inputs[consts] ?? 0).aval.shape;
  return typeof rows === "string" && shape[0] !== rows ? Math.max(0, shape.indexOf(rows)) : 0;
}

/** Inputs and outputs of the body that have the batch inside. */
function innerBatches(node: ScanNode) {
  const { body, consts, carries } = node.attrs;
  const axisOf = (id: NodeId) => batchAxis(node, nodeAt(body, id).aval.shape);
  return {
    xs: body.inputs.map((id, i) => (i < consts + carries ? 0 : axisOf(id))),
    ys: body.outputs.map((id, i) => (i < carries ? 0 : axisOf(id))),
  };
}

/** Whether a loop has such inputs or outputs. */
function hasInnerBatch({ nodes }: Graph): boolean {
  return nodes.some((node) => {
    if (node.op !== "scan") return false;
    const { xs, ys } = innerBatches(node);
    return [...xs, ...ys].some((axis) => axis > 0) || hasInnerBatch(node.attrs.body);
  });
}

export function batchInFront(graph: Graph): Graph {
  if (!hasInnerBatch(graph)) return graph;
  return rewriteGraph(graph, () => ({
    scan: (node, _, operands) => {
      const { xs, ys } = innerBatches(node);
      const outside = operands.map((operand, i) => inFront(operand, at(xs, i), 1));
      const body = bodyWithBatchInFront(node.attrs.body, xs, ys);
      return emitResults({ ...node.attrs, body }, outside).map((result, i) => inBack(result, at(ys, i), 1));
    },
  }));
}

function bodyWithBatchInFront(given: Graph, xs: readonly number[], ys: readonly number[]): Graph {
  const body = batchInFront(given);
  const frame = new Frame(body.name);
  return within(frame, () => {
    const inputs = body.inputs.map((id, i) => {
      const { dtype, shape } = nodeAt(body, id).aval;
      const axis = at(xs, i);
      if (axis === 0) return frame.input(inputName(body, id), { dtype, shape });
      const front = [at(shape, axis), ...shape.filter((__, other) => other !== axis)];
      return frame.input(inputName(body, id), { dtype, shape: front });
    });
    const known = inputs.map((input, i) => [at(body.inputs, i), inBack(input, at(xs, i), 0)] as const);
    const outputs = new Fold(body, copyRules(body), known).outputs();
    return frame.finish(
      inputs.map(({ id }) => id),
      outputs.map((output, i) => inFront(output, at(ys, i), 0)),
    );
  });
}

/** The batch of each step, on axis `axis`, in front of it; `before` axes come first. */
function inFront(x: Tensor, axis: number, before: 0 | 1): Tensor {
  if (axis === 0) return x;
  const own = axesBelow(x.shape.length - before);
  const order = [axis, ...own.filter((other) => other !== axis)].map((each) => each + before);
  return transpose(x, before === 0 ? order : [0, ...order]);
}

/** The inverse. */
function inBack(x: Tensor, axis: number, before: 0 | 1): Tensor {
  if (axis === 0) return x;
  const own = axesBelow(x.shape.length - before);
  const order = own.map((each) => (each < axis ? each + 1 : each === axis ? 0 : each)).map((each) => each + before);
  return transpose(x, before === 0 ? order : [0, ...order]);
}

const axesBelow = (rank: number): number[] => Array.from({ length: rank }, (_, axis) => axis);
