/**
 * @file How the invocations of a stage's kernel share its work: a function of what the stage computes, decided once.
 */
import { type Dim, sizeOf } from "../../graph/dim.ts";
import { type Graph, type NodeId, nodeAt } from "../../graph/graph.ts";
import { loopExtentsOf } from "./loops.ts";

export type StageForm = "element" | "tile" | "tree" | "scatter";

const smallOutput = 32;

const longReduction = 512;

/** The form of a stage, by its number of positions and its loops. */
export function formOf(graph: Graph, size: Dim, loops: readonly NodeId[]): StageForm {
  const [first] = loops;
  if (first !== undefined && nodeAt(graph, first).op === "scatterAdd") return "scatter";
  const plain = loops.some((id) => nodeAt(graph, id).op === "dot") ? "tile" : "element";
  if (typeof size !== "number" || size > smallOutput) return plain;
  const isLong = loops.some((id) => {
    const extent = sizeOf(loopExtentsOf({ graph }, id));
    return typeof extent !== "number" || extent >= longReduction;
  });
  return isLong ? "tree" : plain;
}
