/**
 * @file Moves work that does not depend on the carries before the loop: x_t·W becomes one product over [time × batch]
 * rows, and loop-invariant values are computed once.
 */
import { Fold } from "../graph/fold.ts";
import { ancestorsOf, type Graph, inputName, type NodeId, nodeAt, type ScanNode } from "../graph/graph.ts";
import { copyRules, emitResults } from "../ops/inline.ts";
import { bodyInputs } from "../ops/scan.ts";
import { entryOf, type TableOp } from "../ops/table.ts";
import { Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { LoopValues } from "./loop-values.ts";
import { rewriteGraph } from "./rewrite.ts";

export function hoist(graph: Graph): Graph {
  return rewriteGraph(graph, () => ({ scan: hoistFromScan }));
}

function hoistFromScan(node: ScanNode, _: NodeId, operands: readonly Tensor[]): readonly Tensor[] {
  const attrs = { ...node.attrs, body: hoist(node.attrs.body) };
  const { body } = attrs;
  const values = new LoopValues(attrs, operands);
  const invariants: NodeId[] = [];
  const products: NodeId[] = [];
  for (const id of [...ancestorsOf(body)].sort((a, b) => a - b)) {
    if (nodeAt(body, id).op === "input") continue;
    if (values.isInvariant(id)) {
      if (isWork(body, id)) invariants.push(id);
    } else if (!attrs.recompute && nodeAt(body, id).op === "dot" && values.canStack(id)) products.push(id);
  }
  const outer = {
    invariants: invariants.map((id) => values.invariant(id)),
    products: products.map((id) => values.stacked(id)),
  };
  const inputs = bodyInputs(attrs);
  const inner = withInputs(body, [...inputs.consts, ...invariants, ...inputs.carries, ...inputs.xs, ...products]);
  const given = { consts: operands.slice(0, attrs.consts), rest: operands.slice(attrs.consts) };
  return emitResults({ ...attrs, body: inner, consts: attrs.consts + invariants.length }, [
    ...given.consts,
    ...outer.invariants,
    ...given.rest,
    ...outer.products,
  ]);
}

/** Whether a node is worth moving: views and scalars cost nothing, inside or outside the loop. */
function isWork(body: Graph, id: NodeId): boolean {
  const node = nodeAt(body, id);
  if (node.op === "scan") return false;
  if (node.op === "result") return true;
  const { kind } = entryOf(node.op as TableOp);
  return (kind === "elementwise" && node.aval.shape.length > 0) || kind === "reduction" || kind === "contraction";
}

/** A copy of a body in which `inputs`, some of its values, are inputs. */
function withInputs(body: Graph, inputs: readonly NodeId[]): Graph {
  const frame = new Frame(body.name);
  return within(frame, () => {
    const known = inputs.map((id) => {
      const node = nodeAt(body, id);
      return [id, frame.input(node.op === "input" ? inputName(body, id) : `outside${id}`, node.aval)] as const;
    });
    return frame.finish(
      known.map(([, { id }]) => id),
      new Fold(body, copyRules(body), known).outputs(),
    );
  });
}
