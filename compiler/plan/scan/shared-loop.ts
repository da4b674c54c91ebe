/** @file Persistent loops that are written once: those of equal layers share one body. */
import type { GridPart } from "../../kernel/ir.ts";
import { canonicalValues } from "../emit/canonical-values.ts";
import type { PlacedBuilder } from "../emit/placed-builder.ts";
import type { Lowering, ScanContext } from "../lowering.ts";
import type { Location } from "../program.ts";
import { type LoopPlaces, PersistentKernel } from "./persistent-kernel.ts";
import type { PersistentPlan } from "./persistent-plan.ts";

/** Adds the loop to a kernel: the body of an equal one if there is any. */
export function addLoop(
  { region, clearsWorkgroups, parts, buffers, tiles }: Lowering,
  context: ScanContext,
  plan: PersistentPlan,
  places: LoopPlaces,
  kernel: PlacedBuilder,
  grid: GridPart,
): void {
  // A loop in a loop reads what that one keeps; and where workgroup memory is cleared, it can be part of a buffer, which the
  // body would have to name.
  if (context.outer !== region || clearsWorkgroups) {
    kernel.part(grid, () => new PersistentKernel(context, plan, kernel, places).write());
    return;
  }
  const { operands } = plan.node;
  const values = canonicalValues(region, operands, new Set(), buffers());
  const located = (of: ReadonlyMap<number, Location>) =>
    new Map([...of].map(([key, place]) => [key, values.location(place)]));
  const node = { ...plan.node, operands: operands.map(values.numberOf) };
  const own: PersistentPlan = { ...plan, node, results: located(plan.results) };
  const ownPlaces: LoopPlaces = {
    carries: located(places.carries),
    packed: new Map([...places.packed].map(([id, one]) => [id, { ...one, place: values.location(one.place) }])),
    panels: places.panels.map(values.location),
  };
  const { nodes, inputs, outputs } = node.attrs.body;
  // Of heads, the loop needs no more: the step for one head is that of the plan.
  const heads = plan.heads && { heads: plan.heads.heads, whole: plan.heads.whole };
  const canonical = values.canonical(
    { ...own, heads, tileOf: plan.stages.map(plan.tileOf) },
    [nodes, inputs, outputs],
    ownPlaces,
  );
  parts.addOnce(kernel, "loop", canonical, grid, tiles, (writer) => {
    const outside = { outer: values.region(new Map()), scan: 0, nesting: 0 };
    new PersistentKernel(outside, own, writer, ownPlaces).write();
  });
}
