/** @file The steps that a kernel of a whole sequence runs: a chunk of it, in a loop over time. */
import { InternalError } from "../../graph/errors.ts";
import type { ScanNode } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, Variable } from "../../kernel/ir.ts";
import type { PlacedBuilder } from "../emit/placed-builder.ts";

/** Steps of a chunk, at most: enough for any, and a bound that a compiler can rely on. */
export const mostSteps = 2 ** 20;

export class ScanTime {
  /** The steps of the chunk, counted from the start of the sequence. */
  readonly first: Expr;
  readonly end: Expr;
  readonly #writer: PlacedBuilder;
  readonly #node: ScanNode;
  /** The number of steps before the current one, inside the loop. */
  #count: Variable | undefined;

  constructor(writer: PlacedBuilder, node: ScanNode, nesting: number) {
    this.#writer = writer;
    this.#node = node;
    const { first, end } = writer.chunk(nesting);
    this.first = first;
    this.end = end;
  }

  /** Writes the loop. */
  overSteps(isBounded: boolean, body: (count: Variable) => void): void {
    const w = this.#writer;
    const axis = { extent: this.#node.attrs.length, role: "time" } as const;
    const bound = isBounded ? { most: mostSteps } : {};
    const loop = { axis, mapping: "time", name: "count", step: w.u32(1), ...bound } as const;
    w.for({ ...loop, first: this.first, end: this.end }, (count) => {
      this.#count = count;
      body(count);
    });
  }

  /** The number of steps before the current one. */
  get steps(): Variable {
    if (this.#count === undefined) throw new InternalError("a step is read outside the loop over time");
    return this.#count;
  }

  /** The index of a step in the sequence; of the current one by default. */
  index(steps: Expr = this.steps): Index {
    const { length, reverse } = this.#node.attrs;
    const w = this.#writer;
    const count = w.index.of(steps, length);
    if (!reverse) return count;
    return w.index.of(w.bound(w.index.sub(w.index.sub(w.index.dim(length), w.index.dim(1)), count)), length);
  }
}
