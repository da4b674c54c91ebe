/**
 * @file Buffers that a kernel may bind are few. Where one would bind more, inputs that it reads are copied into the slab
 * first, the smallest first, until every kernel fits.
 */
import { sizeOf } from "../../graph/dim.ts";
import { InternalError } from "../../graph/errors.ts";
import { type Aval, type Graph, type NodeId, nodeAt, sameAval } from "../../graph/graph.ts";

/** What binds buffers, each given by its number in the program. */
export interface Binder {
  readonly name: string;
  readonly buffers: Iterable<number>;
}

/** The slab of a dtype: slabs stand behind the buffers of the inputs. */
export function slabOf(graph: Graph, id: NodeId): number {
  return graph.inputs.length + (nodeAt(graph, id).aval.dtype === "f32" ? 0 : 1);
}

/** Elements up to which inputs of one shape are copied together: not parameters and what an optimizer keeps of them. */
const fewElements = 1024;

function isLarge({ shape }: Aval): boolean {
  const size = sizeOf(shape);
  return typeof size === "number" && size > fewElements;
}

export class Crowding {
  readonly #graph: Graph;
  readonly #limit: number;
  readonly #copied = new Set<NodeId>();

  /** `limit` is how many buffers one kernel may bind. */
  constructor(graph: Graph, limit: number) {
    this.#graph = graph;
    this.#limit = limit;
  }

  /** Inputs to copy, in the order in which they were found. */
  get copied(): ReadonlySet<NodeId> {
    return this.#copied;
  }

  /**
   * Finds inputs to copy until none of these binds too many; false where there are none. A copy changes what is bound in
   * one way, its input's buffer for the slab's, so that all are found at once.
   */
  relieve(binders: readonly Binder[]): boolean {
    const before = this.#copied.size;
    const bound = binders.map(({ buffers }) => new Set([...buffers].sort((a, b) => a - b)));
    for (const [i, own] of bound.entries()) {
      while (own.size > this.#limit) {
        const smallest = this.#smallestInput(own);
        if (smallest === undefined) throw new InternalError(`${binders[i]?.name} binds ${own.size} buffers`);
        // With it go those of its shape, such as the states of all layers: what differs in them is no kernel's matter.
        for (const [from, input] of this.#graph.inputs.entries()) {
          const isAlike = sameAval(this.#avalOf(input), this.#avalOf(smallest)) && !isLarge(this.#avalOf(input));
          if (!own.has(from) || !(isAlike || input === smallest)) continue;
          this.#copied.add(input);
          for (const buffers of bound) if (buffers.delete(from)) buffers.add(slabOf(this.#graph, input));
        }
      }
    }
    return this.#copied.size > before;
  }

  #avalOf(id: NodeId): Aval {
    return nodeAt(this.#graph, id).aval;
  }

  #smallestInput(buffers: Iterable<number>): NodeId | undefined {
    const inputs = [...buffers].flatMap((buffer) => this.#graph.inputs[buffer] ?? []);
    return inputs.sort((a, b) => this.#rank(a) - this.#rank(b))[0];
  }

  /** Orders inputs by size; a symbolic one counts as larger than any known one. */
  #rank(id: NodeId): number {
    const size = sizeOf(nodeAt(this.#graph, id).aval.shape);
    return typeof size === "number" ? size : Number.MAX_SAFE_INTEGER;
  }
}
