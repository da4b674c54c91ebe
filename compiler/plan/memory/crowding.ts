/**
 * @file A kernel can bind only a few buffers. If a kernel would bind more, inputs that it reads are first copied into
 * the slab, the smallest first, until every kernel fits.
 */
import { sizeOf } from "../../graph/dim.ts";
import { InternalError, LimitError } from "../../graph/errors.ts";
import { type Aval, type Graph, type NodeId, nodeAt, sameAval } from "../../graph/graph.ts";

/** A kernel or step that binds buffers, each given by its number in the program. */
export interface Binder {
  readonly name: string;
  readonly buffers: Iterable<number>;
}

/** The slab for a value's dtype: slabs are numbered after the buffers of the inputs. */
export function slabOf(graph: Graph, id: NodeId): number {
  return graph.inputs.length + (nodeAt(graph, id).aval.dtype === "f32" ? 0 : 1);
}

/**
 * Maximum number of elements at which inputs of one shape are copied together: this excludes parameters and optimizer
 * slots.
 */
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

  /** Inputs to copy, in the order found. */
  get copied(): ReadonlySet<NodeId> {
    return this.#copied;
  }

  /**
   * Finds inputs to copy until no binder exceeds the limit; returns false if there are none. A copy only replaces its
   * input's buffer by the slab's, so all copies are found in one call. Of "small", only small inputs are copied, and the
   * limit can still be exceeded. "pages" says that values are in several buffers, which can be too many.
   */
  relieve(binders: readonly Binder[], how: "all" | "small" | "pages" = "all"): boolean {
    const before = this.#copied.size;
    const bound = binders.map(({ buffers }) => new Set([...buffers].sort((a, b) => a - b)));
    for (const [i, own] of bound.entries()) {
      while (own.size > this.#limit) {
        const smallest = this.#smallestInput(own);
        if (how === "small" && (smallest === undefined || isLarge(this.#avalOf(smallest)))) break;
        if (smallest === undefined && how === "pages")
          throw new LimitError(
            `a kernel of ${this.#graph.name} reads and writes ${own.size} buffers, since values are larger than one may be, and this adapter binds ${this.#limit}: lower the batch, the length or the units, or set a memory budget`,
          );
        if (smallest === undefined)
          throw new InternalError(
            `${binders[i]?.name} binds ${own.size} buffers, and none of them is an input to copy`,
          );
        // Inputs of the same shape are copied with it, such as the states of all layers, so that equal layers keep
        // equal kernels.
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
