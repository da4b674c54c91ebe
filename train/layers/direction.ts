/**
 * @file Finds the direction in which outputs over time were computed. A layer that runs from the last step to the first has
 * seen the whole sequence at step 0, and only one step at the last: the result of a sequence depends on the direction.
 */
import { mulDims } from "../../compiler/graph/dim.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { NodeId, ScanNode } from "../../compiler/graph/graph.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";

type Float = Tensor<"f32">;
type Lengths = Tensor<"i32"> | undefined;

/** The last output of each direction, merged like their outputs. */
type Ending = (lengths: Lengths) => Float;

const endings = new WeakMap<Tensor, Ending>();

/** Marks merged outputs of several directions with their last output. */
export function withEnding(outputs: Float, ending: Ending): Float {
  endings.set(outputs, ending);
  return outputs;
}

export function endingOf(outputs: Float): Ending | undefined {
  return endings.get(outputs);
}

/** The loop that computed these outputs, if it ran from the last step to the first. */
export function reverseLoopOf({ frame, id }: Pick<Tensor, "frame" | "id">): ScanNode | undefined {
  const node = frame.builder.node(id);
  if (node.op !== "result") return undefined;
  const scan = frame.builder.node(at(node.operands, 0));
  return scan.op === "scan" && scan.attrs.reverse && node.attrs.index >= scan.attrs.carries ? scan : undefined;
}

/** Whether a loop has a mask of its steps. */
export function isMasked({ attrs: { body, consts, carries } }: ScanNode): boolean {
  return body.inputs.slice(consts + carries).some((id) => at(body.nodes, id).aval.dtype === "bool");
}

/**
 * Whether each step of these outputs was computed from the same step of a loop that ran from the last step to the first, by
 * operations that do not mix steps: arithmetic, products with weights, slices and concatenations of features.
 */
export function readsReverseLoop(outputs: Float): boolean {
  const { builder } = outputs.frame;
  const [time = 1, batch = 1] = outputs.shape;
  const isOverTime = (id: NodeId) => [time, mulDims(time, batch)].includes(builder.aval(id).shape[0] ?? 1);
  const seen = new Set<NodeId>();
  const visit = (id: NodeId): boolean => {
    if (seen.has(id) || !isOverTime(id)) return false;
    seen.add(id);
    const node = builder.node(id);
    if (node.op === "result") return reverseLoopOf({ frame: outputs.frame, id }) !== undefined;
    const mixesSteps =
      node.op === "scan" ||
      node.op === "transpose" ||
      ((node.op === "sum" || node.op === "reduceMax") && node.attrs.axes.includes(0)) ||
      ((node.op === "slice" || node.op === "pad" || node.op === "concat") && node.attrs.axis === 0);
    if (mixesSteps) return false;
    return (node.op === "dot" ? node.operands.slice(0, 1) : node.operands).some(visit);
  };
  return visit(outputs.id);
}
