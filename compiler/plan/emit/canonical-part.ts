/** @file The canonical form of a stage's part of a kernel. */
import type { NodeId } from "../../graph/graph.ts";
import type { BufferSpec, Location } from "../program.ts";
import type { Stage } from "../stages/stages.ts";
import { type Canonical, canonicalValues } from "./canonical-values.ts";
import type { FormContext } from "./form.ts";
import { type StoredRegion, targetOf } from "./stored-region.ts";

export interface CanonicalPart extends Canonical {
  /** What the part is written from, beside its form. */
  readonly own: {
    readonly context: FormContext & { readonly region: StoredRegion };
    readonly scratch: readonly Location[];
  };
}

export function canonicalPart(
  { stage, tiles }: FormContext,
  stored: StoredRegion,
  scratch: readonly Location[],
  buffers: readonly BufferSpec[],
): CanonicalPart {
  const values = new Set([...stage.loops, ...stage.roots]);
  const { numberOf, location, region, canonical } = canonicalValues(stored, [...values], values, buffers);
  const targets = new Map<NodeId, Location>(stage.roots.map((id) => [numberOf(id), location(targetOf(stored, id))]));
  const own: Stage = {
    ...{ ...stage, level: 0, reads: [] },
    loops: stage.loops.map(numberOf),
    roots: stage.roots.map(numberOf),
    accumulators: stage.accumulators.map(({ result, loops }) => ({
      result: numberOf(result),
      loops: loops.map(numberOf),
    })),
  };
  const given = scratch.map(location);
  // The sizes that a kernel is made for decide on its forms only.
  const alike = { ...tiles, outside: undefined };
  return {
    ...canonical(own, alike, [...targets.values()], given),
    own: { context: { region: region(targets), stage: own, tiles: alike }, scratch: given },
  };
}
