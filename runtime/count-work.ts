/**
 * @file Counts a program's work at given sizes: dispatches by phase (branches chosen, loops unrolled), chunks of long
 * sequences, and bytes of its buffers.
 */

import { addDims, type Dim, type DimSizes, evaluateDim } from "../compiler/graph/dim.ts";
import type { Graph } from "../compiler/graph/graph.ts";
import type { Chunks, Phase, Program, Size } from "../compiler/plan/program.ts";
import { chunkRanges, runsOf } from "./walk.ts";

/** A loop over time in one kernel: dispatches of `steps` time steps each, and of `lastSteps` in the last. */
export interface ChunkCount {
  readonly scan: string;
  readonly dispatches: number;
  readonly steps: number;
  readonly lastSteps: number;
}

export interface WorkTotals {
  /** A kernel with a loop over time counts once, regardless of its chunks; an indirect dispatch counts even if empty. */
  readonly dispatches: Readonly<Record<Phase, number>>;
  readonly chunks: readonly ChunkCount[];
  /** Copies between buffers. */
  readonly copies: number;
  /** Bytes of all buffers: the program's slabs, and its inputs (weights, optimizer slots, state, batch). */
  readonly bytes: number;
  readonly slabBytes: number;
}

const BYTES_PER_ELEMENT = 4;

export function countWork(program: Program<unknown>, sizes: DimSizes): WorkTotals {
  const dispatches: Record<Phase, number> = { forward: 0, backward: 0, update: 0 };
  const chunks: ChunkCount[] = [];
  let copies = 0;
  for (const { step, times } of runsOf(program.steps, sizes)) {
    if (step.kind === "copy") copies += times;
    else {
      dispatches[step.phase] += times;
      if (step.chunks !== undefined) chunks.push(countChunks(step.chunks, sizes));
    }
  }
  const bytesOf = (role?: "slab") =>
    program.buffers
      .filter((buffer) => role === undefined || buffer.role === role)
      .reduce((total, { size }) => total + BYTES_PER_ELEMENT * elements(size, sizes), 0);
  return { dispatches, chunks, copies, bytes: bytesOf(), slabBytes: bytesOf("slab") };
}

function countChunks(chunks: Chunks, sizes: DimSizes): ChunkCount {
  const lengths = chunkRanges(chunks, sizes).map(([first, end]) => end - first);
  return { scan: chunks.scan, dispatches: lengths.length, steps: lengths[0] ?? 0, lastSteps: lengths.at(-1) ?? 0 };
}

/** Bytes of all buffers as a formula, such as `4 * (3*B*T + 2*B + 100)`. They exist for the whole step, so this is the peak. */
export function bytesFormula({ buffers }: Program<unknown>): string {
  return `${BYTES_PER_ELEMENT} * (${addDims(buffers.flatMap(({ size }) => size)).join(" + ")})`;
}

/** Evaluates a size, which is a sum of dimensions. */
function elements(size: Size, sizes: DimSizes): number {
  return size.reduce<number>((total, dim: Dim) => total + evaluateDim(dim, sizes), 0);
}

/** The number of nodes in a graph and in the bodies of its scans. */
export function countNodes(graph: Graph): number {
  return graph.nodes.reduce((total, node) => total + 1 + (node.op === "scan" ? countNodes(node.attrs.body) : 0), 0);
}
