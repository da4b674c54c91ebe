/**
 * @file Local rewrites as tables: for an op, a rule that replaces a node by something better, or leaves it. One driver
 * applies a table to a graph and to the bodies of its loops until no rule fires.
 */
import { InternalError } from "../graph/errors.ts";
import type { OpNode } from "../graph/fold.ts";
import { ancestorsOf, type Graph, type Node, type NodeId, nodeAt } from "../graph/graph.ts";
import { emitResults } from "../ops/inline.ts";
import { within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { removeDead } from "./dead.ts";
import { type Rebuilt, rebuilding, rewriteGraph } from "./rewrite.ts";

type OpWithRule = OpNode["op"];

/** What a rule can look up around a node. */
export interface Surroundings {
  readonly graph: Graph;
  readonly rebuilt: Rebuilt;
  /** The live nodes that read a node, one entry per use. */
  readonly readersOf: (id: NodeId) => readonly Node[];
}

/** A node that a rule may replace. */
export type Match<K extends OpWithRule> = Surroundings & { readonly node: Extract<OpNode, { readonly op: K }> };

/** Returns a replacement for a node, or undefined to leave it. */
export type Rule<K extends OpWithRule> = (match: Match<K>) => Tensor | undefined;

export type LocalRules = { readonly [K in OpWithRule]?: Rule<K> };

/**
 * Maximum number of rounds. A rule moves an op past one node per round; a graph that still changes after this many has
 * rules that undo each other.
 */
const mostRounds = 100;

export function applyRules(graph: Graph, rules: LocalRules): Graph {
  let current = graph;
  for (let round = 0; round < mostRounds; round++) {
    if (!someRuleFires(current, rules)) return current;
    current = removeDead(
      rewriteGraph(current, (inner) => {
        const readersOf = readersIn(inner);
        return {
          node: (node, _, rebuilt) => replacement(rules, { node, graph: inner, rebuilt, readersOf }),
          scan: ({ attrs }, _, operands) =>
            someRuleFires(attrs.body, rules) ? undefined : emitResults(attrs, operands),
        };
      }),
    );
  }
  throw new InternalError(`the rules for ${Object.keys(rules).join(", ")} never settle on ${graph.name}`);
}

function replacement(rules: LocalRules, match: Surroundings & { readonly node: OpNode }): Tensor | undefined {
  // The table pairs each op with a rule for its own nodes, which a lookup by a union of ops cannot express.
  const rule = rules[match.node.op] as Rule<OpWithRule> | undefined;
  return rule?.(match);
}

/**
 * Whether a rule fires in the graph or in one of its loops: this check is cheaper than rebuilding an unchanged graph.
 */
function someRuleFires(graph: Graph, rules: LocalRules): boolean {
  const readersOf = readersIn(graph);
  // Tensors that rules build here are discarded.
  const { frame, rebuilt } = rebuilding(graph, {});
  return within(frame, () =>
    [...ancestorsOf(graph)].some((id) => {
      const node = nodeAt(graph, id);
      if (node.op === "scan") return someRuleFires(node.attrs.body, rules);
      if (node.op === "input" || node.op === "result") return false;
      return replacement(rules, { node, graph, rebuilt: (other) => rebuilt.value(other), readersOf }) !== undefined;
    }),
  );
}

/** Readers by node, computed on first use. */
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
