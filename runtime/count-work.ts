/**
 * @file Counts a program's work at given sizes: dispatches by phase, with branches chosen and loops walked, how long sequences are cut, and
 * bytes of its buffers.
 */

import { addDims, type Dim, type DimSizes, evaluateDim } from "../compiler/graph/dim.ts";
import type { Graph } from "../compiler/graph/graph.ts";
import type { Chunks, Phase, Program, Size } from "../compiler/plan/program.ts";
import { chunkRanges, runsOf } from "./walk.ts";

/** A loop over time in one kernel: dispatches of equally many steps, the last of what is left. */
export interface ChunkCount {
  readonly scan: string;
  readonly dispatches: number;
  readonly steps: number;
  readonly lastSteps: number;
}

export interface WorkTotals {
  /** A kernel that runs a loop over time itself counts once, however it is cut; an indirect one, whatever it comes to. */
  readonly dispatches: Readonly<Record<Phase, number>>;
  readonly chunks: readonly ChunkCount[];
  /** Copies between buffers. */
  readonly copies: number;
  /** Of all buffers: the program's own slabs, and its inputs (weights, optimizer slots, state, batch). */
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

/** Bytes of all buffers at any sizes, such as `4 * (3*B*T + 2*B + 100)`: they exist for the whole step, so it is the peak. */
export function bytesFormula({ buffers }: Program<unknown>): string {
  return `${BYTES_PER_ELEMENT} * (${addDims(buffers.flatMap(({ size }) => size)).join(" + ")})`;
}

/** A size is a sum of dimensions. */
function elements(size: Size, sizes: DimSizes): number {
  return size.reduce<number>((total, dim: Dim) => total + evaluateDim(dim, sizes), 0);
}

/** Nodes of a graph and of the bodies of its scans. */
export function countNodes(graph: Graph): number {
  return graph.nodes.reduce((total, node) => total + 1 + (node.op === "scan" ? countNodes(node.attrs.body) : 0), 0);
}
