import { at } from "../../graph/errors.ts";
import { type NodeId, nodeAt } from "../../graph/graph.ts";
import type { Index } from "../../kernel/index-arithmetic.ts";
import type { Expr, LocalArray } from "../../kernel/ir.ts";
import type { Stage } from "../stages/stages.ts";
import { loopGroups, type Position, rememberLoop, runLoops, type Sums } from "./loops.ts";
import type { Emitter, Region } from "./values.ts";

/** Stores a root's value at its location, or adds it to what is stored there. */
export type StoreRoot = (id: NodeId, index: readonly Index[], value: Expr, how?: "set" | "add") => void;

/** The positions that an invocation owns. */
export interface Owned {
  readonly positions: readonly Position[];
  /** Walks over them at run time, skipping those out of range; `number` is the index in `positions`. */
  readonly walk?: (body: (position: Position, number: Expr) => void) => void;
}

/**
 * One invocation computes some positions of the stage. Loops run for all of them at once, so that shared operands are
 * loaded once; the code that follows the loops is written once and walks over the positions.
 */
export function emitPositions(emitter: Emitter, region: Region, stage: Stage, owned: Owned, store: StoreRoot): void {
  const { positions, walk } = owned;
  const sums: Sums[] = [];
  for (const group of loopGroups(region, stage.accumulators)) {
    const results = runLoops(emitter, region, group, positions);
    for (const { id, registers } of results) {
      for (const [i, position] of positions.entries()) rememberLoop(emitter, region, id, position, at(registers, i));
    }
    sums.push(...results);
  }
  if (walk === undefined) {
    for (const position of positions) storeRoots(emitter, region, stage, position, store);
    return;
  }
  storeWalking(emitter, region, stage, sums, store, walk);
}

/** Writes the code that follows the loops once, inside a loop over the positions. */
export function storeWalking(
  emitter: Emitter,
  region: Region,
  stage: Stage,
  sums: readonly { readonly id: NodeId; readonly registers: readonly Expr[] }[],
  store: StoreRoot,
  walk: (body: (position: Position, number: Expr) => void) => void,
): void {
  const { writer } = emitter;
  const results = sums.map(({ id, registers }) => ({ id, array: toRegisters(emitter, region, id, registers) }));
  walk((position, number) => {
    for (const { id, array } of results) {
      rememberLoop(emitter, region, id, position, writer.let(writer.fresh("sum"), writer.load(array, number)));
    }
    storeRoots(emitter, region, stage, position, store);
  });
}

/** Puts the results of a loop for all positions into an array that a loop can index. */
function toRegisters({ writer }: Emitter, region: Region, id: NodeId, registers: readonly Expr[]): LocalArray {
  return writer.registers(writer.fresh("sums"), nodeAt(region.graph, id).aval.dtype, registers);
}

/** Computes all values before storing the first: a root may reuse the memory of a value that another root reads. */
export function storeRoots(emitter: Emitter, region: Region, stage: Stage, position: Position, store: StoreRoot): void {
  storeRootsAt(emitter, region, stage, [position], store);
}

/** The same at several positions: all values of all of them come first. */
export function storeRootsAt(
  emitter: Emitter,
  region: Region,
  stage: Stage,
  positions: readonly Position[],
  store: StoreRoot,
): void {
  const values = positions.flatMap((position) =>
    stage.roots.map((id) => {
      const index = position.indexIn(nodeAt(region.graph, id).aval.shape);
      return { id, index, value: emitter.compute(region, id, index) };
    }),
  );
  for (const { id, index, value } of values) store(id, index, value);
}
