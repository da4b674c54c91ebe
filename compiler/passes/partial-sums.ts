/**
 * @file Long sums to one number, such as the norm of a gradient, in two parts: sums of equal pieces, and their sum, which
 * is short enough that its readers compute it themselves. Otherwise a GPU would need a dispatch in which one workgroup
 * adds up what all the others have summed, and on a CPU one thread would add up all terms. A sum of sums is one long sum.
 */
import { sizeOf } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import type { OpNode } from "../graph/fold.ts";
import { countUses, type Graph, type NodeId, nodeAt } from "../graph/graph.ts";
import { emitResults } from "../ops/inline.ts";
import { pad } from "../ops/pieces.ts";
import { reshape, sum } from "../ops/views.ts";
import { withoutCallSites } from "../trace/site.ts";
import type { Tensor } from "../trace/tensor.ts";
import { rewriteGraph } from "./rewrite.ts";

/** Pieces of a long sum: as many numbers as a reader adds up. */
export const pieces = 32;
/** Terms from which a sum has pieces. */
const manyTerms = 8192;

/** Rewrites the long sums of a graph, outside of its loops. */
export function partialSums(graph: Graph): Graph {
  const uses = countUses(graph);
  const isLong = (node: OpNode) => node.op === "sum" && termsOf(graph, uses, node) !== undefined;
  if (!graph.nodes.some((node) => node.op !== "scan" && node.op !== "result" && node.op !== "input" && isLong(node)))
    return graph;
  return withoutCallSites(() =>
    rewriteGraph(graph, () => ({
      node: (node, _, rebuilt) => {
        const terms = node.op === "sum" ? termsOf(graph, uses, node) : undefined;
        return terms && inPieces(rebuilt(terms.id) as Tensor<"f32">, terms.count, node);
      },
      scan: ({ attrs }, _, operands) => emitResults(attrs, operands),
    })),
  );
}

function inPieces(x: Tensor<"f32">, count: number, { aval }: OpNode): Tensor {
  const length = Math.ceil(count / pieces);
  const flat = reshape(x, [count]);
  const whole = length * pieces === count ? flat : pad(flat, 0, 0, length * pieces);
  return reshape(sum(sum(reshape(whole, [pieces, length]), [1])), aval.shape);
}

/** The value whose elements a sum to one number adds up, if they are many. */
function termsOf(graph: Graph, uses: readonly number[], { op, aval, operands }: OpNode) {
  if (op !== "sum" || aval.dtype !== "f32" || sizeOf(aval.shape) !== 1) return undefined;
  const beneath = (id: NodeId): NodeId => {
    const inner = nodeAt(graph, id);
    const isInner = (inner.op === "sum" || inner.op === "reshape") && uses[id] === 1 && !graph.outputs.includes(id);
    return isInner ? beneath(at(inner.operands, 0)) : id;
  };
  const id = beneath(at(operands, 0));
  const count = sizeOf(nodeAt(graph, id).aval.shape);
  return typeof count === "number" && count >= manyTerms ? { id, count } : undefined;
}
