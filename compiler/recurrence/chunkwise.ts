/**
 * @file Loops over matrix memories as loops over chunks of steps: graph to graph, before a graph is differentiated. The
 * gradient then keeps a memory at the borders of chunks only, where it would keep one for every step, and a chunk is
 * products of matrices. matrix-memory.ts says what a memory is, and chunked-loop.ts what its loop becomes.
 */
import type { Dim } from "../graph/dim.ts";
import { at, expectArgument } from "../graph/errors.ts";
import {
  type Graph,
  inputName,
  type NodeId,
  nodeAt,
  type ScanAttrs,
  type ScanNode,
  type Site,
} from "../graph/graph.ts";
import { emitResults } from "../ops/inline.ts";
import { bodyInputs } from "../ops/scan.ts";
import { rewriteGraph } from "../passes/rewrite.ts";
import { Frame, within } from "../trace/frame.ts";
import type { Tensor } from "../trace/tensor.ts";
import { carryGroups, readsItself } from "./carry-groups.ts";
import { chunkedLoop } from "./chunked-loop.ts";
import { memoryStep } from "./matrix-memory.ts";
import type { MemoryStep } from "./memory-step.ts";
import { NoMemory } from "./memory-uses.ts";

/** Steps of a chunk, a power of two; `"auto"`: a rule of sizes decides; `"never"`: one step after another. */
export type ChunkChoice = "auto" | "never" | number;

/** Most steps of a chunk that the rule chooses. */
const mostSteps = 64;
/** Least keys, and least values, of a memory in chunks: a smaller one takes as little as what its chunks need. */
const leastWidth = 32;

/** Throws a UserError for what is no choice. */
export function checkChunks(where: string, choice: ChunkChoice): void {
  const isPowerOf2 = typeof choice === "number" && choice >= 2 && Number.isInteger(Math.log2(choice));
  expectArgument(
    choice === "auto" || choice === "never" || isPowerOf2,
    `${where}: chunks`,
    choice,
    '"auto", "never" or a power of two from 2 on',
  );
}

/** The graph with all loops over matrix memories in chunks. The same graph, if there are none. */
export function chunkwise(graph: Graph, choice: ChunkChoice = "auto"): Graph {
  if (!hasMemory(graph, choice)) return graph;
  return rewriteGraph(graph, () => ({ scan: ({ attrs }, _, operands) => chunkedScan(attrs, operands, choice) }));
}

/** How a carry that holds matrices runs. */
export interface MemoryReport {
  /** The name of the loop's body, such as `mlstm`. */
  readonly scan: string;
  /** That of the graph's input where the carry starts, else `carry0`, `carry1`, … */
  readonly carry: string;
  /** Steps of a chunk; absent if the memory is kept at every step. */
  readonly steps?: number;
  /** Why it is. */
  readonly reason?: string;
  /** The line of the user's file because of which it is, if there is one. */
  readonly site?: Site;
}

/** All carries of a graph's loops that hold matrices, and which of them `chunkwise` takes. */
export function memoryReports(graph: Graph, choice: ChunkChoice = "auto"): MemoryReport[] {
  return graph.nodes.flatMap((node) => {
    if (node.op !== "scan") return [];
    const own = matricesOf(node.attrs).flatMap((matrix) => reportOf(graph, node, matrix, choice) ?? []);
    return [...own, ...memoryReports(node.attrs.body, choice)];
  });
}

/** undefined for a small matrix that is no memory, such as a vector for each head. */
function reportOf(graph: Graph, node: ScanNode, matrix: MatrixCarry, choice: ChunkChoice): MemoryReport | undefined {
  const { attrs, operands } = node;
  const { carry: number, keys, values } = matrix;
  const initial = at(operands, attrs.consts + number);
  const carry = nodeAt(graph, initial).op === "input" ? inputName(graph, initial) : `carry${number}`;
  const named = { scan: attrs.body.name, carry };
  const found = bodyAlone(attrs, number);
  if (found instanceof NoMemory) {
    if (typeof choice !== "number" && Math.min(keys, values) < leastWidth) return undefined;
    const site = attrs.body.sites[found.id];
    return { ...named, reason: `${found.op} ${found.message}`, ...(site !== undefined && { site }) };
  }
  const steps = chunkSteps(keys, values, attrs.length, choice);
  if (steps !== undefined) return { ...named, steps };
  return {
    ...named,
    reason:
      choice === "never" ? "chunks are off" : `it has ${keys} x ${values} numbers, hardly more than a step of a chunk`,
  };
}

/** One line, such as `mlstm: state/layers/0/C in chunks of 64 steps`. */
export function memoryLine({ scan, carry, steps, reason, site }: MemoryReport): string {
  if (steps !== undefined) return `${scan}: ${carry} in chunks of ${steps} steps`;
  return `${scan}: ${carry} at every step, since ${reason}${site === undefined ? "" : `, ${site}`}`;
}

interface MatrixCarry {
  readonly carry: number;
  readonly keys: number;
  readonly values: number;
}

/** The carries that could be memories: matrices for each row of a stack, which no other carry waits for in turn. */
function matricesOf(attrs: ScanAttrs): MatrixCarry[] {
  return carryGroups(attrs).flatMap((group): MatrixCarry[] => {
    const [carry] = group;
    if (carry === undefined || group.length > 1 || !readsItself(attrs, group)) return [];
    const { dtype, shape } = nodeAt(attrs.body, at(bodyInputs(attrs).carries, carry)).aval;
    const [keys, values] = shape.slice(-2);
    const isMatrix =
      dtype === "f32" && typeof keys === "number" && typeof values === "number" && keys > 1 && values > 1;
    return isMatrix && !attrs.recompute ? [{ carry, keys, values }] : [];
  });
}

/** The steps of a chunk, or undefined if the memory had better be kept at every step. */
function chunkSteps(keys: number, values: number, length: Dim, choice: ChunkChoice): number | undefined {
  if (choice !== "auto") return choice === "never" ? undefined : choice;
  const width = Math.min(keys, values);
  if (width < leastWidth) return undefined;
  // Products of a chunk are as deep as it is long.
  let steps = Math.min(mostSteps, 2 ** Math.floor(Math.log2(width / 2)));
  while (typeof length === "number" && steps >= 2 * length) steps /= 2;
  return steps < 2 ? undefined : steps;
}

function hasMemory(graph: Graph, choice: ChunkChoice): boolean {
  return memoryReports(graph, choice).some(({ steps }) => steps !== undefined);
}

/** The step of a memory in a trace of its own, to see whether it is one. */
function bodyAlone(attrs: ScanAttrs, carry: number): MemoryStep | NoMemory {
  const frame = new Frame(attrs.body.name);
  try {
    return within(frame, () => memoryStep(attrs, carry, inputsIn(frame, attrs.body)));
  } catch (error) {
    if (error instanceof NoMemory) return error;
    throw error;
  }
}

function inputsIn(frame: Frame, body: Graph): (readonly [NodeId, Tensor])[] {
  return body.inputs.map((id) => [id, frame.input(inputName(body, id), nodeAt(body, id).aval)] as const);
}

/** The results of a loop, with its first memory in chunks if it has one; others follow in turn. */
function chunkedScan(attrs: ScanAttrs, operands: readonly Tensor[], choice: ChunkChoice): readonly Tensor[] {
  for (const { carry, keys, values } of matricesOf(attrs)) {
    const steps = chunkSteps(keys, values, attrs.length, choice);
    const found = steps === undefined ? undefined : bodyAlone(attrs, carry);
    if (steps === undefined || found === undefined || found instanceof NoMemory) continue;
    const memory = { carry, steps, reads: found.reads.map(({ id }) => id) };
    return chunkedLoop(attrs, operands, memory, (rest, given) => chunkedScan(rest, given, choice));
  }
  return emitResults({ ...attrs, body: chunkwise(attrs.body, choice) }, operands);
}
