/**
 * @file Buffer donation and liveness: donated inputs whose buffer an output reuses, and the last use of every stored
 * value.
 */

import { sizeOf } from "../../graph/dim.ts";
import { at, UserError } from "../../graph/errors.ts";
import { type Graph, inputName, type NodeId, nodeAt } from "../../graph/graph.ts";
import { storages } from "../../graph/storage.ts";
import type { Location } from "../program.ts";
import { type Group, membersOf } from "../stages/groups.ts";
import type { Read } from "../stages/reads.ts";
import type { ScanStage, Stage } from "../stages/stages.ts";
import type { Pack } from "./in-place-concat.ts";

/** The location of an input, in the buffer that the caller provides. */
export function inputLocation(graph: Graph, id: NodeId): Location {
  return { buffer: graph.inputs.indexOf(id), offset: [0], size: [sizeOf(nodeAt(graph, id).aval.shape)] };
}

/** Output index -> the input whose buffer it reuses. */
export function donations(graph: Graph, donate: Readonly<Record<string, number>>): Map<number, NodeId> {
  const byOutput = new Map<number, NodeId>();
  for (const [name, index] of Object.entries(donate)) {
    const input = graph.inputs.find((id) => inputName(graph, id) === name);
    const output = graph.outputs[index];
    if (input === undefined || output === undefined) {
      throw new UserError(
        `donate: ${input === undefined ? `there is no input ${name}` : `there is no output ${index}`} in ${graph.name}`,
      );
    }
    if (byOutput.has(index))
      throw new UserError(`donate: output ${index} of ${graph.name} can reuse the memory of only one input`);
    const [from, to] = [nodeAt(graph, input).aval, nodeAt(graph, output).aval];
    if (storages[from.dtype].element !== storages[to.dtype].element || sizeOf(from.shape) !== sizeOf(to.shape)) {
      throw new UserError(`donate: input ${name} and output ${index} of ${graph.name} differ in dtype or size`);
    }
    byOutput.set(index, input);
  }
  return byOutput;
}

/**
 * Writes a donated output directly into its input's buffer if that is safe: no other stage reads the input at that step
 * or later, and its own stage reads it only at the position that it writes. Otherwise the output is copied at the end.
 */
export function placeDonations(
  graph: Graph,
  donated: ReadonlyMap<number, NodeId>,
  groups: readonly Group[],
  isPacked: (id: NodeId) => boolean,
  locations: Map<NodeId, Location>,
): void {
  const readers = new Map<NodeId, (Read & { readonly stage: Stage | ScanStage; readonly order: number })[]>();
  const writers = new Map<NodeId, { readonly stage: Stage; readonly order: number }>();
  for (const [order, group] of groups.entries()) {
    for (const stage of membersOf(group)) {
      for (const read of stage.reads)
        readers.set(read.id, [...(readers.get(read.id) ?? []), { ...read, stage, order }]);
      if (stage.kind === "stage") for (const id of stage.roots) writers.set(id, { stage, order });
    }
  }
  for (const [output, input] of donated) {
    const id = at(graph.outputs, output);
    // A value that is several outputs has memory of its own.
    if (isPacked(id) || graph.outputs.filter((other) => other === id).length > 1) continue;
    const writer = writers.get(id);
    if (writer === undefined) continue;
    const isSafe = (readers.get(input) ?? []).every(
      ({ order, stage, samePosition }) => order < writer.order || (stage === writer.stage && samePosition),
    );
    if (isSafe) locations.set(id, inputLocation(graph, input));
  }
}

/**
 * The last step that uses each stored value; outputs are read after the last step, and a pack lives as long as its
 * parts.
 */
export function lastUses(
  graph: Graph,
  groups: readonly Group[],
  packs: ReadonlyMap<NodeId, Pack>,
): Map<NodeId, number> {
  const last = new Map<NodeId, number>();
  const use = (id: NodeId, order: number) => last.set(id, Math.max(order, last.get(id) ?? 0));
  for (const [order, group] of groups.entries()) {
    for (const stage of membersOf(group)) {
      for (const { id } of stage.reads) use(id, order);
      if (stage.kind === "stage") for (const id of stage.roots) use(id, order);
    }
  }
  for (const id of graph.outputs) use(id, groups.length);
  // A part is read through its pack, so it lives as long as that.
  const lifetimeOf = (id: NodeId): number => {
    const parts = packs.get(id)?.parts ?? [];
    const longest = Math.max(last.get(id) ?? 0, ...parts.map((part) => lifetimeOf(part.id)));
    if (parts.length > 0) last.set(id, longest);
    for (const part of parts) use(part.id, longest);
    return longest;
  };
  for (const id of packs.keys()) lifetimeOf(id);
  return last;
}
