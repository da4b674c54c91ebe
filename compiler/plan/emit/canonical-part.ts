/**
 * @file A part of a kernel without all that equal parts differ in: the nodes of its stage are numbered in order, and what
 * is stored lies in buffers that are numbered too, at offsets that are symbols. The code of a part is written from this
 * and from nothing else, so parts with equal text here have equal code.
 */
import { type Dim, divideDims, mulDims } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../../graph/graph.ts";
import type { PartPlaces } from "../../kernel/ir.ts";
import { placeBuffer, placeSymbol } from "../../kernel/places.ts";
import type { BufferSpec, Location, Size } from "../program.ts";
import type { Stage } from "../stages/stages.ts";
import type { FormContext } from "./form.ts";
import { type StoredRegion, storedRegion, targetOf } from "./stored-region.ts";
import { isPartOfVector, type Storage } from "./values.ts";

/** All that the code of a part depends on, beside its form. */
export interface CanonicalPart {
  /** Plain data: what the others are made of. */
  readonly data: unknown;
  readonly context: FormContext & { readonly region: StoredRegion };
  readonly scratch: readonly Location[];
  readonly buffers: readonly Pick<BufferSpec, "name" | "element">[];
  /** What its buffers and symbols stand for. */
  readonly places: PartPlaces;
}

export function canonicalPart(
  { stage, tiles }: FormContext,
  stored: StoredRegion,
  scratch: readonly Location[],
  buffers: readonly BufferSpec[],
): CanonicalPart {
  const { graph, storage } = stored;
  const { ids, isLoaded } = nodesOf(graph, storage, stage);
  const numbers: NodeId[] = [];
  for (const [i, id] of ids.entries()) numbers[id] = i;
  const numberOf = (id: NodeId) => at(numbers, id);
  const places = canonicalPlaces();
  const nodes = ids.map((id): Node => {
    const node = nodeAt(graph, id);
    const { op, attrs, aval } = node;
    // No code looks behind what is loaded.
    if (isLoaded(id)) return { op, operands: [], attrs: {}, aval } as never;
    const operands = node.operands.map(numberOf);
    if (!isPartOfVector(graph, node)) return { ...node, operands } as Node;
    // The start becomes a uniform, whatever it is.
    const [start] = places.sumOf([node.attrs.start]);
    return { op, operands, attrs: { ...attrs, start }, aval } as never;
  });
  const sources = ids.map((id) => {
    const location = storage.source(id);
    return location && places.location(location);
  });
  const targets = new Map(stage.roots.map((id) => [numberOf(id), places.location(targetOf(stored, id))]));
  const folded = ids.flatMap((id, i) => (storage.folded.has(id) ? [i] : []));
  const own: Stage = {
    ...{ ...stage, level: 0, reads: [] },
    loops: stage.loops.map(numberOf),
    roots: stage.roots.map(numberOf),
    accumulators: stage.accumulators.map(({ result, loops }) => ({
      result: numberOf(result),
      loops: loops.map(numberOf),
    })),
  };
  const given = scratch.map((location) => places.location(location));
  const region = storedRegion(
    { name: graph.name, nodes, inputs: [], outputs: [], sites: [] },
    { source: (id) => sources[id], target: (id) => targets.get(id), folded: new Set(folded) },
  );
  // The sizes that a kernel is made for decide on its forms only.
  const alike = { ...tiles, outside: undefined };
  const bound = [...places.buffers].map((buffer) => ({ buffer, ...at(buffers, buffer) }));
  const numbered = bound.map(({ element }, i) => ({ name: placeBuffer(i), element }));
  return {
    data: [own, alike, nodes, sources, [...targets.values()], folded, given, numbered],
    context: { region, stage: own, tiles: alike },
    scratch: given,
    buffers: numbered,
    places: {
      buffers: bound.map(({ buffer, name }) => ({ buffer, name })),
      sums: [...places.sums.values()].map(({ sum }) => sum),
    },
  };
}

/** What a stage is computed from, in order, down to what is loaded. */
function nodesOf(graph: Graph, { source }: Storage, { loops, roots }: Stage) {
  const own = new Set([...loops, ...roots]);
  const isLoaded = (id: NodeId) => !own.has(id) && source(id) !== undefined;
  const found = new Set<NodeId>();
  const visit = (id: NodeId): void => {
    if (found.has(id)) return;
    found.add(id);
    if (!isLoaded(id)) nodeAt(graph, id).operands.forEach(visit);
  };
  own.forEach(visit);
  return { ids: [...found].sort((a, b) => a - b), isLoaded };
}

/** Numbers buffers and sums of dimensions in the order in which they are met. Equal sums have one symbol. */
function canonicalPlaces() {
  const buffers = new Set<number>();
  const sums = new Map<string, { readonly sum: Size; readonly dim: Dim }>();
  /** A sum that is not 0 as a symbol; where it is known to be a multiple of four, as four times a symbol. */
  const sumOf = (sum: Size): Size => {
    if (sum.every((dim) => dim === 0)) return [0];
    const key = sum.join(" + ");
    const symbol = placeSymbol(sums.size);
    const fours = sum.map((dim) => divideDims(dim, 4));
    const isOfFours = fours.every((dim): dim is Dim => dim !== undefined);
    const found = sums.get(key) ?? (isOfFours ? { sum: fours, dim: mulDims(4, symbol) } : { sum, dim: symbol });
    sums.set(key, found);
    return [found.dim];
  };
  const location = (given: Location): Location => {
    const buffer = [...buffers.add(given.buffer)].indexOf(given.buffer);
    return { ...given, buffer, offset: sumOf(given.offset), size: [] };
  };
  return { buffers, sums, sumOf, location };
}
