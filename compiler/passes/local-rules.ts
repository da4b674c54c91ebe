/**
 * @file Local rewrites as tables: for an op, a rule that puts something better in the place of a node, or leaves it. One
 * driver applies a table to a graph and to the bodies of its loops until no rule fires.
 */
import { InternalError } from "../graph/errors.ts";
import type { OpNode } from "../graph/fold.ts";
import { ancestorsOf, type Graph, type Node, type NodeId, nodeAt } from "../graph/graph.ts";
import type { Tensor } from "../trace/tensor.ts";
import { removeDead } from "./dead.ts";
import { type Rebuilt, rewriteGraph } from "./rewrite.ts";

type OpWithRule = OpNode["op"];

/** What a rule may ask about the surroundings of a node. */
export interface Surroundings {
  readonly graph: Graph;
  readonly rebuilt: Rebuilt;
  /** The live nodes that read a node, once for each time they do. */
  readonly readersOf: (id: NodeId) => readonly Node[];
}

/** A node that a rule may replace. */
export type Match<K extends OpWithRule> = Surroundings & { readonly node: Extract<OpNode, { readonly op: K }> };

/** Another tensor for a node, or undefined to leave it. */
export type Rule<K extends OpWithRule> = (match: Match<K>) => Tensor | undefined;

export type LocalRules = { readonly [K in OpWithRule]?: Rule<K> };

/** A rule moves an op past one node a round; a graph that is not settled by then has rules that undo each other. */
const mostRounds = 100;

export function applyRules(graph: Graph, rules: LocalRules): Graph {
  let current = graph;
  for (let round = 0; round < mostRounds; round++) {
    let fired = false;
    const next = rewriteGraph(current, (inner) => {
      const readersOf = readersIn(inner);
      return {
        node: (node, _, rebuilt) => {
          // The table pairs each op with a rule for its own nodes, which a lookup by a union of ops cannot express.
          const rule = rules[node.op] as Rule<OpWithRule> | undefined;
          const other = rule?.({ node, graph: inner, rebuilt, readersOf });
          fired ||= other !== undefined;
          return other;
        },
      };
    });
    if (!fired) return current;
    current = removeDead(next);
  }
  throw new InternalError(`the rules for ${Object.keys(rules).join(", ")} never settle on ${graph.name}`);
}

/** Readers by node, counted when the first is asked for. */
function readersIn(graph: Graph): (id: NodeId) => readonly Node[] {
  let readers: Map<NodeId, Node[]> | undefined;
  const count = (): Map<NodeId, Node[]> => {
    const found = new Map<NodeId, Node[]>();
    for (const id of ancestorsOf(graph)) {
      const node = nodeAt(graph, id);
      for (const operand of node.operands) {
        const known = found.get(operand);
        if (known === undefined) found.set(operand, [node]);
        else known.push(node);
      }
    }
    return found;
  };
  return (id) => {
    readers ??= count();
    return readers.get(id) ?? [];
  };
}
