/**
 * @file Products that are only added to each other share an accumulator: the sum over gates of ct·Wᵀ, which every
 * recurrent cell's gradient ends in, is one running sum and not one for each gate.
 */
import { at } from "../../graph/errors.ts";
import { countUses, type Graph, type NodeId, nodeAt } from "../../graph/graph.ts";
import { loopExtentsOf } from "./loops.ts";

export interface Accumulator {
  /** The value available after the loop: a loop's result, or the sum of several products. */
  readonly result: NodeId;
  /** The loops that add to it. */
  readonly loops: readonly NodeId[];
}

/** Finds the accumulators of a graph's stages; readers of each value are counted once for all stages. */
export class AccumulatorFinder {
  readonly #graph: Graph;
  readonly #uses: readonly number[];
  /** For a value with one reader, that reader. */
  readonly #reader: readonly (NodeId | undefined)[];

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#uses = countUses(graph);
    const reader = new Array<NodeId | undefined>(graph.nodes.length).fill(undefined);
    for (const [id, { operands }] of graph.nodes.entries()) for (const operand of operands) reader[operand] = id;
    this.#reader = reader;
  }

  /** The accumulators of a stage that runs these loops and stores these roots. */
  of(loops: readonly NodeId[], roots: readonly NodeId[]): Accumulator[] {
    const open = new Map<NodeId, readonly NodeId[]>(loops.map((id) => [id, [id]]));
    const isProduct = (id: NodeId) => nodeAt(this.#graph, id).op === "dot";
    /** The products of an operand that nothing else reads, or undefined. */
    const mergeable = (id: NodeId): readonly NodeId[] | undefined => {
      const products = open.get(id);
      return products?.every(isProduct) && this.#uses[id] === 1 && !roots.includes(id) ? products : undefined;
    };
    // Ids are a topological order: when the smallest reader is taken, all its operands have been handled.
    const readers = new Set<NodeId>();
    const awaitReader = (id: NodeId) => {
      const reader = mergeable(id) && this.#reader[id];
      if (reader !== undefined) readers.add(reader);
    };
    for (const id of loops) awaitReader(id);
    while (readers.size > 0) {
      const id = Math.min(...readers);
      readers.delete(id);
      const merged = this.#merged(id, mergeable);
      if (merged === undefined) continue;
      for (const operand of nodeAt(this.#graph, id).operands) open.delete(operand);
      open.set(id, merged);
      awaitReader(id);
    }
    return [...open].map(([result, added]) => ({ result, loops: added }));
  }

  /** The products that a node adds up or passes through, if it does nothing else. */
  #merged(id: NodeId, mergeable: (id: NodeId) => readonly NodeId[] | undefined): readonly NodeId[] | undefined {
    const { op, operands } = nodeAt(this.#graph, id);
    if (op === "reshape") return mergeable(at(operands, 0));
    if (op !== "add") return undefined;
    const [a, b] = [at(operands, 0), at(operands, 1)];
    const [left, right] = [mergeable(a), a === b ? undefined : mergeable(b)];
    return left && right && this.#sameExtents(left, right) ? [...left, ...right] : undefined;
  }

  #sameExtents(left: readonly NodeId[], right: readonly NodeId[]): boolean {
    const extents = (loops: readonly NodeId[]) => loopExtentsOf({ graph: this.#graph }, at(loops, 0)).join(",");
    return extents(left) === extents(right);
  }
}
