/**
 * @file Recognises the guard that autodiff/chain.ts puts on a partial derivative p that may not be finite:
 * `ct * where(finite(p) or not ct = 0, p, 0)`. If p is finite this is ct * p, whatever the first condition is, so the
 * product is affine in ct even though it also tests ct.
 */
import { at } from "../graph/errors.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../graph/graph.ts";

/** The p of such a product; undefined if the node is another one. */
export function stoppedFactor(body: Graph, node: Node): NodeId | undefined {
  if (node.op !== "mul") return undefined;
  const [ct, factor] = [at(node.operands, 0), at(node.operands, 1)];
  const operandsOf = (id: NodeId | undefined, op: Node["op"]): readonly NodeId[] => {
    const found = id === undefined ? undefined : nodeAt(body, id);
    return found?.op === op ? found.operands : [];
  };
  const [condition, p, otherwise] = operandsOf(factor, "where");
  const [, isNotZero] = operandsOf(condition, "or");
  const [tested, zero] = operandsOf(operandsOf(isNotZero, "not")[0], "equal");
  return tested === ct && isZero(body, zero) && isZero(body, otherwise) ? p : undefined;
}

/** Whether every element of a value is the constant 0. */
function isZero(body: Graph, id: NodeId | undefined): boolean {
  if (id === undefined) return false;
  const node = nodeAt(body, id);
  if (node.op === "broadcast" || node.op === "reshape") return isZero(body, at(node.operands, 0));
  return node.op === "constant" && node.attrs.value === 0;
}
