/**
 * @file What a graph asks of the sizes it is run at. A view such as the last entry of an axis of T has an element though its
 * operand may have none: where T is 0 there is no such number, and a device would read whatever lies in its place.
 */
import { type Dim, type DimSizes, evaluateDim } from "./dim.ts";
import type { Site } from "./graph.ts";

/** The least extent of an axis of which something is read. Plain data. */
export interface Requirement {
  /** What reads the axis. */
  readonly op: string;
  readonly site: Site | undefined;
  /** The axis' extent. */
  readonly dim: Dim;
  readonly atLeast: number;
  /** How many elements it gives, in all steps of the loops around it: of 0, nothing is asked. */
  readonly elements: Dim;
}

/** A sentence on the first requirement that some sizes do not meet. */
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
