/**
 * @file The one traversal of a graph. A fold computes a value of some kind (numbers, tensors of another graph, ONNX
 * nodes, values with tangents) for every node from the values of its operands. Loops are handled here once: a scan has
 * a list of results, and a `result` node picks one of them.
 */
import { at, InternalError } from "./errors.ts";
import { type Graph, type Node, type NodeId, nodeAt, type ScanNode } from "./graph.ts";

/** A node that computes one value from its operands: not an input, a scan or a result of one. */
export type OpNode = Exclude<Node, { readonly op: "input" | "scan" | "result" }>;

/** The node `id`, which must compute one value. */
export function opNodeAt(graph: Graph, id: NodeId): OpNode {
  const node = nodeAt(graph, id);
  if (node.op === "input" || node.op === "scan" || node.op === "result")
    throw new InternalError(`node %${id} of ${graph.name} is ${node.op}, not an op`);
  return node;
}

/** The value of each kind of node. `Value` must not be undefined. */
export interface FoldRules<Value> {
  readonly node: (node: OpNode, operands: readonly Value[], id: NodeId) => Value;
  /** The results of a scan: final carries, then ys; undefined for results that nothing reads. */
  readonly scan: (node: ScanNode, operands: readonly Value[], id: NodeId) => readonly (Value | undefined)[];
}

/** The values of a graph's nodes, each computed at most once, when first needed. */
export class Fold<Value> {
  readonly graph: Graph;
  readonly #rules: FoldRules<Value>;
  readonly #values: (Value | undefined)[];
  readonly #results = new Map<NodeId, readonly (Value | undefined)[]>();

  /** `known`: given values, of inputs or of nodes at which the traversal stops. */
  constructor(graph: Graph, rules: FoldRules<Value>, known: Iterable<readonly [NodeId, Value]> = []) {
    this.graph = graph;
    this.#rules = rules;
    this.#values = new Array<Value | undefined>(graph.nodes.length).fill(undefined);
    for (const [id, value] of known) this.#values[id] = value;
  }

  /** The value of a node; computes it and everything it needs. */
  value(id: NodeId): Value {
    if (!this.#isKnown(id)) for (const needed of this.#missing(id)) this.compute(needed);
    return this.#known(id);
  }

  /** The values of the graph's outputs. */
  outputs(): Value[] {
    return this.graph.outputs.map((id) => this.value(id));
  }

  /** Computes a node whose operands have values, unless the node already has one. */
  compute(id: NodeId): void {
    if (this.#isKnown(id)) return;
    const node = nodeAt(this.graph, id);
    if (node.op === "input") throw new InternalError(`input ${node.attrs.name} of ${this.graph.name} has no value`);
    if (node.op === "result") {
      this.#values[id] = at(this.#results.get(at(node.operands, 0)) ?? [], node.attrs.index);
      return;
    }
    const operands = node.operands.map((operand) => this.#known(operand));
    if (node.op === "scan") this.#results.set(id, this.#rules.scan(node, operands, id));
    else this.#values[id] = this.#rules.node(node, operands, id);
  }

  /** Sets the value of a node at which the traversal stops. */
  know(id: NodeId, value: Value): void {
    this.#values[id] = value;
  }

  /** Forgets a value, so that its memory can be reused. */
  drop(id: NodeId): void {
    this.#values[id] = undefined;
    this.#results.delete(id);
  }

  #known(id: NodeId): Value {
    const value = this.#values[id];
    if (value === undefined) throw new InternalError(`node %${id} of ${this.graph.name} has no value`);
    return value;
  }

  #isKnown(id: NodeId): boolean {
    return this.#values[id] !== undefined || this.#results.has(id);
  }

  /** A node and its ancestors that have no value yet, operands first. */
  #missing(id: NodeId): NodeId[] {
    const missing = new Set<NodeId>();
    const open = [id];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (missing.has(next) || this.#isKnown(next)) continue;
      missing.add(next);
      open.push(...nodeAt(this.graph, next).operands);
    }
    // Ids are a topological order.
    return [...missing].sort((a, b) => a - b);
  }
}

/** Folds a whole graph, node by node; `inputs` are in the order of the graph's inputs. */
export function foldGraph<Value>(graph: Graph, inputs: readonly Value[], rules: FoldRules<Value>): Fold<Value> {
  const fold = new Fold(graph, rules, inputsOf(graph, inputs));
  for (const id of graph.nodes.keys()) fold.compute(id);
  return fold;
}

/** Pairs of input id and value, as `Fold` expects them. */
export function inputsOf<Value>(graph: Graph, values: readonly Value[]): (readonly [NodeId, Value])[] {
  return graph.inputs.map((id, i) => [id, at(values, i)]);
}
