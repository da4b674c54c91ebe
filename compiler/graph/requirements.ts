/**
 * @file What a graph requires of its sizes at run time. A view such as the last entry of an axis T has an element even
 * if its operand is empty: at T = 0 that entry does not exist, and a device would read whatever is in memory there.
 */
import { type Dim, type DimSizes, evaluateDim } from "./dim.ts";
import type { Site } from "./graph.ts";

/** The least size of an axis for what is read from it to exist. Plain data. */
export interface Requirement {
  /** The op that reads the axis. */
  readonly op: string;
  readonly site: Site | undefined;
  /** The size of the axis. */
  readonly dim: Dim;
  readonly atLeast: number;
  /** How many elements the op produces, over all steps of the loops around it; for 0 nothing is required. */
  readonly elements: Dim;
}

/** A sentence about the first requirement that the sizes do not meet, or undefined. */
export function unmetRequirement(requires: readonly Requirement[], sizes: DimSizes): string | undefined {
  for (const { op, site, dim, atLeast, elements } of requires) {
    const extent = evaluateDim(dim, sizes);
    if (extent >= atLeast || evaluateDim(elements, sizes) === 0) continue;
    const [axis, got] = typeof dim === "number" ? ["its axis", `${dim}`] : [dim, `${dim}=${extent}`];
    const place = site === undefined ? op : `${op} at ${site}`;
    return `${place}: ${axis} must be at least ${atLeast}, got ${got}, so what it reads does not exist; give larger inputs`;
  }
  return undefined;
}
