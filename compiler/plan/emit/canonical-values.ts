/**
 * @file What the code of a part of a kernel is written from, without all that equal parts differ in: nodes are numbered in
 * order, and what is stored lies in buffers that are numbered too, at offsets that are symbols. Code is written from this
 * and from nothing else, so parts with equal text here have equal code.
 */
import { type Dim, divideDims, mulDims } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../../graph/graph.ts";
import type { PartPlaces } from "../../kernel/ir.ts";
import { placeBuffer, placeSymbol } from "../../kernel/places.ts";
import type { BufferSpec, Location, Size } from "../program.ts";
import { type StoredRegion, storedRegion } from "./stored-region.ts";
import { isPartOfVector, type Storage } from "./values.ts";

/** The canonical form of a part. */
export interface Canonical {
  /** Plain data, from which all that the code depends on is made. */
  readonly data: unknown;
  readonly buffers: readonly Pick<BufferSpec, "name" | "element">[];
  /** What its buffers and symbols stand for. */
  readonly places: PartPlaces;
}

/** What `values` are computed from, down to what is loaded: stored values that are not among `own`. */
export function canonicalValues(
  { graph, storage }: StoredRegion,
  values: readonly NodeId[],
  own: ReadonlySet<NodeId>,
  buffers: readonly BufferSpec[],
) {
  const { ids, isLoaded } = nodesOf(graph, storage, values, own);
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
  const folded = ids.flatMap((id, i) => (storage.folded.has(id) ? [i] : []));
  return {
    numberOf,
    location: places.location,
    /** The graph of these nodes, whose stored values are at `targets`. */
    region: (targets: ReadonlyMap<NodeId, Location>): StoredRegion =>
      storedRegion(
        { name: graph.name, nodes, inputs: [], outputs: [], sites: [] },
        { source: (id) => sources[id], target: (id) => targets.get(id), folded: new Set(folded) },
      ),
    /** The canonical form, of these nodes and what else the code is written from, once all its places are known. */
    canonical: (...others: readonly unknown[]): Canonical => {
      const bound = [...places.buffers].map((buffer) => ({ buffer, ...at(buffers, buffer) }));
      const numbered = bound.map(({ element }, i) => ({ name: placeBuffer(i), element }));
      return {
        data: [...others, nodes, sources, folded, numbered],
        buffers: numbered,
        places: {
          buffers: bound.map(({ buffer, name }) => ({ buffer, name })),
          sums: [...places.sums.values()].map(({ sum }) => sum),
        },
      };
    },
  };
}

function nodesOf(graph: Graph, { source }: Storage, values: readonly NodeId[], own: ReadonlySet<NodeId>) {
  const isLoaded = (id: NodeId) => !own.has(id) && source(id) !== undefined;
  const found = new Set<NodeId>();
  const visit = (id: NodeId): void => {
    if (found.has(id)) return;
    found.add(id);
    if (!isLoaded(id)) nodeAt(graph, id).operands.forEach(visit);
  };
  values.forEach(visit);
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
