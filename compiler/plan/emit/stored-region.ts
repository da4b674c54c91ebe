/** @file Graphs whose values all lie in memory, or are computed from what does: where no loop gives or takes any. */
import { InternalError } from "../../graph/errors.ts";
import { type Graph, type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Location } from "../program.ts";
import type { StoreRoot } from "./stage.ts";
import type { Emitter, Region, Storage } from "./values.ts";

export interface StoredRegion extends Region {
  readonly storage: Storage;
}

export function storedRegion(graph: Graph, storage: Storage): StoredRegion {
  const { source, target, folded } = storage;
  return {
    key: "",
    graph,
    storage,
    folded,
    read: (id, index, emitter) => {
      const location = source(id);
      if (location === undefined) return undefined;
      const { dtype, shape } = nodeAt(graph, id).aval;
      return emitter.writer.loadValue(location, emitter.positionOf(index, shape), dtype);
    },
    sharesWords: (id) => target(id)?.half === "neighbours",
  };
}

/** Where a value is stored that a stage computes. */
export function targetOf({ storage }: StoredRegion, id: NodeId): Location {
  const location = storage.target(id);
  if (location === undefined) throw new InternalError(`value %${id} has no location`);
  return location;
}

/** Stores roots of a stage where they lie. */
export function storesOf(region: StoredRegion, emitter: Emitter): StoreRoot {
  return (id, index, value, how = "set") => {
    const { shape } = nodeAt(region.graph, id).aval;
    emitter.writer.storeValue(targetOf(region, id), emitter.positionOf(index, shape), value, how);
  };
}
