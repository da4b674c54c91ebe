/**
 * @file Dispatches that later steps of the program can add to. What a loop prepares before its first step, such as packed
 * weights, needs no dispatch of its own: it joins the last one before the loop, in which it shares no value with others.
 */
import { addDims } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { type NodeId, nodeAt } from "../graph/graph.ts";
import type { PlacedBuilder } from "./emit/placed-builder.ts";
import type { Region } from "./emit/values.ts";
import type { GridPart, PlannedKernel, Work } from "./program.ts";

/** A dispatch of stages, outside of loops and of choices by size. */
export interface OpenDispatch {
  /** The number of its group. */
  readonly order: number;
  readonly kernel: number;
  readonly grid: GridPart[];
  readonly writer: PlacedBuilder;
}

/** Parts of a kernel that join another one: `write` writes the `i`-th of them. */
export interface JoiningParts {
  readonly grid: readonly GridPart[];
  readonly write: (writer: PlacedBuilder, i: number) => void;
  readonly work: Work;
}

export class OpenDispatches {
  readonly #region: Region;
  readonly #kernels: PlannedKernel[];
  readonly #maxBuffers: number;
  readonly #open: OpenDispatch[] = [];
  /** The number of the group that stores a value. */
  readonly #storedBy = new Map<NodeId, number>();

  /** `maxBuffers` is how many buffers a kernel can bind. */
  constructor(region: Region, kernels: PlannedKernel[], maxBuffers: number) {
    this.#region = region;
    this.#kernels = kernels;
    this.#maxBuffers = maxBuffers;
  }

  add(dispatch: OpenDispatch): void {
    this.#open.push(dispatch);
  }

  stores(id: NodeId, order: number): void {
    this.#storedBy.set(id, order);
  }

  /** The last dispatch that can read some values of a region, in workgroups of some lanes; undefined if there is none. */
  lastAfter(region: Region, ids: readonly NodeId[], lanes: number): OpenDispatch | undefined {
    if (region !== this.#region) return undefined;
    const known = Math.max(-1, ...ids.map((id) => this.#knownAfter(id)));
    return this.#open.findLast(({ order, kernel }) => {
      const { workgroupSize, buffers } = at(this.#kernels, kernel).code;
      // What joins reads an input and writes to one buffer.
      return order > known && workgroupSize === lanes && buffers.length + 2 <= this.#maxBuffers;
    });
  }

  /** The group after which a value can be computed from what is stored; infinity if that is not known. */
  #knownAfter(id: NodeId): number {
    const stored = this.#storedBy.get(id);
    if (stored !== undefined) return stored;
    const { op, operands } = nodeAt(this.#region.graph, id);
    if (op === "input") return -1;
    const isView = op === "reshape" || op === "slice" || op === "transpose";
    return isView ? this.#knownAfter(at(operands, 0)) : Number.POSITIVE_INFINITY;
  }

  /** Adds parts to a dispatch. */
  join({ kernel, grid, writer }: OpenDispatch, { grid: own, write, work }: JoiningParts): void {
    for (const [i, part] of own.entries()) writer.part(part, () => write(writer, i));
    grid.push(...own);
    const before = at(this.#kernels, kernel);
    this.#kernels[kernel] = {
      ...before,
      work: {
        flops: addDims([...before.work.flops, ...work.flops]),
        bytes: addDims([...before.work.bytes, ...work.bytes]),
      },
      code: writer.finish(before.code.workgroupSize),
    };
  }
}
