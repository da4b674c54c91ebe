/**
 * @file Which values are stored in f16, two to a word of 32 bits. A word must be written by one invocation, whatever the
 * shape of a value, so its halves are
 *
 * - two results of a loop that one stage of its body computes, at one position: such as two gates of a cell; or
 * - two neighbours of a value that a kernel of its own computes, such as the copy of all weights.
 *
 * Only values that are rounded to f16 in the graph can be stored so, and nothing is lost by it. The others stay in f32.
 */
import { type Dim, sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { type Graph, inputName, type NodeId, nodeAt, type ScanNode } from "../../graph/graph.ts";
import { entryOf } from "../../ops/table.ts";
import type { HalfNote, Location } from "../program.ts";
import { formStages } from "../stages/form-stages.ts";
import type { Stage } from "../stages/stages.ts";
import type { Memory } from "./slabs.ts";

/** Why a value that could be stored in f16 is stored in f32. */
export interface InFloat {
  readonly id: NodeId;
  readonly reason: string;
}

export interface Halves {
  /** Pairs of results of a scan that share their words. */
  readonly pairs: readonly (readonly [NodeId, NodeId])[];
  readonly others: readonly InFloat[];
}

/** Finds the results of a scan that share words; `read` says which results are read. */
export function halvesOfScan(
  graph: Graph,
  scan: NodeId,
  results: readonly NodeId[],
  { storesHalves, isFree }: { readonly storesHalves: boolean; readonly isFree: (result: NodeId) => boolean },
): Halves {
  const { attrs } = nodeAt(graph, scan) as ScanNode;
  const { body, carries } = attrs;
  const byOutput = new Map<number, NodeId>();
  for (const id of results) {
    const node = nodeAt(graph, id);
    if (node.op === "result") byOutput.set(node.attrs.index, id);
  }
  const rounded = [...byOutput].filter(([i]) => i >= carries && isRounded(body, at(body.outputs, i)));
  const all = (reason: string): Halves => ({ pairs: [], others: rounded.map(([, id]) => ({ id, reason })) });
  if (rounded.length === 0) return { pairs: [], others: [] };
  if (!storesHalves) return all("the device stores f32");
  const others: InFloat[] = [];
  // As the schedules cut the body: final carries, and the results that are read.
  const outputs = body.outputs.filter((_, i) => i < carries || byOutput.has(i));
  const stages = formStages(body, outputs).stages.filter((stage): stage is Stage => stage.kind === "stage");
  const waiting = new Map<number, NodeId>();
  const pairs: (readonly [NodeId, NodeId])[] = [];
  for (const [i, id] of rounded) {
    const output = at(body.outputs, i);
    if (!isFree(id)) {
      others.push({ id, reason: "it is part of another value" });
      continue;
    }
    const stage = stages.findIndex(({ roots }) => roots.includes(output));
    const first = waiting.get(stage);
    if (stage < 0) others.push({ id, reason: "a loop inside the loop computes it" });
    else if (first === undefined) waiting.set(stage, id);
    else {
      waiting.delete(stage);
      pairs.push([first, id]);
    }
  }
  for (const id of waiting.values()) others.push({ id, reason: "its stage has no other value to share a word with" });
  return { pairs, others };
}

/** How a value that is rounded outside of loops is stored, for human readers; `reason` says why not in 16 bits. */
export function noteOf(graph: Graph, id: NodeId, reason: string | undefined): HalfNote {
  const { aval, operands } = nodeAt(graph, id);
  const of = nodeAt(graph, at(operands, 0));
  const value = of.op === "input" ? of.attrs.name : of.op;
  const how = reason === undefined ? { bits: 16 as const } : { bits: 32 as const, reason };
  return { value, site: graph.sites[id], elements: sizeOf(aval.shape), ...how };
}

/** How results of a scan that are rounded are stored, for human readers. */
export function notesOfScan(graph: Graph, scan: NodeId, { pairs, others }: Halves): HalfNote[] {
  const { body } = (nodeAt(graph, scan) as ScanNode).attrs;
  const noteOf = (id: NodeId, how: Pick<HalfNote, "bits" | "reason">): HalfNote[] => {
    const node = nodeAt(graph, id);
    if (node.op !== "result") return [];
    const [from] = nodeAt(body, at(body.outputs, node.attrs.index)).operands;
    const { op } = nodeAt(body, from ?? 0);
    const value = `${body.name} ${op === "input" ? inputName(body, from ?? 0) : op}`;
    return [{ value, site: body.sites[from ?? 0], elements: sizeOf(node.aval.shape), ...how }];
  };
  return [
    ...pairs.flat().flatMap((id) => noteOf(id, { bits: 16 })),
    ...others.flatMap(({ id, reason }) => noteOf(id, { bits: 32, reason })),
  ];
}

/**
 * The nodes whose elements are all numbers of f16: those that are rounded, given ones, and views of these. A product can
 * keep such weights in half of the registers.
 */
export function nodesInHalf(graph: Graph, given: readonly NodeId[] = []): ReadonlySet<NodeId> {
  const found = new Set<NodeId>(given);
  for (const [id, node] of graph.nodes.entries()) {
    if (node.op === "roundToHalf") found.add(id);
    if (node.op === "scan" || node.op === "result" || node.op === "input") continue;
    // What a view takes where there is no operand is 0; the other operand of a lookup are its indices.
    const sources = node.op === "gather" ? node.operands.slice(0, 1) : node.operands;
    const isView = entryOf(node.op).kind === "view" && node.aval.dtype === "f32";
    if (isView && sources.every((source) => found.has(source))) found.add(id);
  }
  return found;
}

/** What is known of a graph: it is asked for each of its scans. */
const inHalf = new WeakMap<Graph, ReadonlySet<NodeId>>();

/** The same for the body of a scan. */
export function nodesOfBodyInHalf(outer: Graph, { attrs, operands }: ScanNode): ReadonlySet<NodeId> {
  const around = inHalf.get(outer) ?? nodesInHalf(outer);
  inHalf.set(outer, around);
  return nodesInHalf(
    attrs.body,
    attrs.body.inputs.slice(0, attrs.consts).filter((_, i) => around.has(at(operands, i))),
  );
}

/** Whether different stages of a scan's body, as a schedule rewrites it, compute two results that share their words. */
export function areWordsTorn(body: Graph, stages: readonly Stage[], results: ReadonlyMap<number, Location>): boolean {
  const writers = new Map<string, Stage | undefined>();
  for (const [i, { buffer, offset, half }] of results) {
    if (half !== 0 && half !== 1) continue;
    const word = `${buffer} ${offset.join("+")}`;
    const writer = stages.find(({ roots }) => roots.includes(at(body.outputs, i)));
    if (writers.has(word) && writers.get(word) !== writer) return true;
    writers.set(word, writer);
  }
  return false;
}

/** Whether a value is rounded to f16. */
export function isRounded(graph: Graph, id: NodeId): boolean {
  return nodeAt(graph, id).op === "roundToHalf";
}

/** Why a value that a stage stores is stored in f32; undefined if neighbours can share a word. */
export function reasonAgainstNeighbours(
  graph: Graph,
  id: NodeId,
  stage: Stage,
  storesHalves: boolean,
): string | undefined {
  if (!storesHalves) return "the device stores f32";
  if (graph.outputs.includes(id)) return "it is an output of the program";
  if (stage.form !== "element" || stage.loops.length > 0) return "a product or a sum computes it";
  return typeof sizeOf(nodeAt(graph, id).aval.shape) === "number" ? undefined : "its size is not known";
}

/** Allocates a value whose neighbours share words. */
export function placeNeighbours(memory: Memory, size: Dim, from: number, until: number): Location {
  return { ...memory.place("u32", Math.ceil(Number(size) / 2), from, until), half: "neighbours" };
}
