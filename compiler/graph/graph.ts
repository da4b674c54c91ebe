/**
 * @file The intermediate representation between a user's equations and the kernels.
 *
 *   graph   ::= name inputs nodes outputs              plain data; ids are indices into `nodes`
 *   node    ::= op operands attrs aval                 operands have smaller ids: the list is a topological order
 *   aval    ::= dtype shape                            the abstract value: what is known before the program runs
 *   dtype   ::= "f32" | "i32" | "u32" | "bool"
 *   scan    ::= body consts carries xs                 one node; its body is a graph
 *               body : (consts…, carries…, xs…) -> (carries…, ys…)
 *   result  ::= the i-th output of a scan              carries first, then ys stacked over time
 *
 * Equal nodes are one node: the builder interns them, so a common subexpression exists once. Source lines are in
 * `sites`, next to the nodes and not part of their identity. Inputs are nodes with op `input`. The weights of a scan
 * are its consts; weight tying needs nothing more.
 */

import type { Aval } from "./aval.ts";
import { expectArgument } from "./errors.ts";
import type { AttrsOf, OpName } from "./op-schema.ts";

export { type Aval, type DType, formatAval, isDType, sameAval } from "./aval.ts";
export type { OpName } from "./op-schema.ts";

export type NodeId = number;

/** The place in the user's file where a node was written, e.g. `cells/gru.ts:12:9`. */
export type Site = string;

interface NodeOf<K extends OpName> {
  readonly op: K;
  readonly operands: readonly NodeId[];
  readonly attrs: OpAttrs[K];
  /** For a scan: the aval of its first result; `result` nodes have their own. */
  readonly aval: Aval;
}

/** One op applied to earlier nodes of its graph. */
export type Node = { [K in OpName]: NodeOf<K> }[OpName];
export type ScanNode = NodeOf<"scan">;

/** A list of nodes in topological order, as plain data. */
export interface Graph {
  /** The name of what was traced, such as a cell. */
  readonly name: string;
  /** Every node comes after its operands. */
  readonly nodes: readonly Node[];
  /** Nodes whose values come from outside, in the order of the arguments. */
  readonly inputs: readonly NodeId[];
  /** Nodes whose values are the results, in order. */
  readonly outputs: readonly NodeId[];
  /** The line of the user's file where each node was written. */
  readonly sites: readonly (Site | undefined)[];
}

/** The static attributes of each op. */
export type OpAttrs = AttrsOf<Graph>;
export type ScanAttrs = OpAttrs["scan"];

/** Throws a UserError if `graph` is not a graph. */
export function checkGraph(where: string, graph: Graph): void {
  expectArgument(Array.isArray(graph?.nodes), `${where}: the graph`, graph, "a Graph, such as traceGraph returns");
}

export function nodeAt(graph: Graph, id: NodeId): Node {
  const node = graph.nodes[id];
  if (node === undefined) throw new Error(`internal: graph ${graph.name} has no node ${id}`);
  return node;
}

export function inputName(graph: Graph, id: NodeId): string {
  const node = nodeAt(graph, id);
  if (node.op !== "input") throw new Error(`internal: node ${id} of ${graph.name} is ${node.op}, not an input`);
  return node.attrs.name;
}

/** The avals of a scan's results: final carries, then ys with time in front. */
export function scanResults(attrs: ScanAttrs): Aval[] {
  return attrs.body.outputs.map((id, index) => {
    const { aval } = nodeAt(attrs.body, id);
    return index < attrs.carries ? aval : { dtype: aval.dtype, shape: [attrs.length, ...aval.shape] };
  });
}

/** How many times each node is read; an output counts as a read. */
export function countUses(graph: Graph): number[] {
  const uses = new Array<number>(graph.nodes.length).fill(0);
  const read = (id: NodeId) => {
    uses[id] = (uses[id] ?? 0) + 1;
  };
  for (const node of graph.nodes) node.operands.forEach(read);
  graph.outputs.forEach(read);
  return uses;
}

/** Everything that `ids` (by default the outputs) are computed from, including themselves. */
export function ancestorsOf(graph: Graph, ids: readonly NodeId[] = graph.outputs): ReadonlySet<NodeId> {
  const known = ids === graph.outputs ? ancestorsOfOutputs.get(graph) : undefined;
  if (known !== undefined) return known;
  const found = new Set<NodeId>(ids);
  // Ids are a topological order: all readers of a node have been visited before it.
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    if (found.has(id)) for (const operand of nodeAt(graph, id).operands) found.add(operand);
  }
  if (ids === graph.outputs) ancestorsOfOutputs.set(graph, found);
  return found;
}

/** Every pass asks for them. */
const ancestorsOfOutputs = new WeakMap<Graph, ReadonlySet<NodeId>>();

/** Everything that is computed from any of `ids`, including themselves. */
export function dependentsOf(graph: Graph, ids: readonly NodeId[]): Set<NodeId> {
  const found = new Set<NodeId>(ids);
  for (const [id, { operands }] of graph.nodes.entries())
    if (operands.some((operand) => found.has(operand))) found.add(id);
  return found;
}
