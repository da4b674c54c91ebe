/**
 * @file A stage of the persistent schedule whose weights pass by: all lanes multiply, and store sums in workgroup memory;
 * after a barrier each lane goes on with the sums of its elements.
 */
import { sizeOf } from "../../graph/dim.ts";
import { at } from "../../graph/errors.ts";
import { nodeAt } from "../../graph/graph.ts";
import { storeRoots } from "../emit/stage.ts";
import { Emitter } from "../emit/values.ts";
import type { Stage } from "../stages/stages.ts";
import type { Ahead } from "./ahead.ts";
import { type PanelLanes, rememberSums, writePanelProducts } from "./panel-products.ts";
import type { PanelGroup } from "./panels.ts";
import type { StageContext } from "./persistent-stages.ts";

export function writePanelStage(
  { writer: w, region, rows, stores }: StageContext,
  stage: Stage,
  groups: readonly PanelGroup[],
  lanes: PanelLanes,
  ahead: Ahead,
): void {
  // Values of the next step arrive while products are added up.
  ahead.here();
  w.stage(() => writePanelProducts(w, region, stage, groups, lanes, rows));
  const width = Number(sizeOf(nodeAt(region.graph, at(stage.loops, 0)).aval.shape.slice(1)));
  w.stage(() => {
    const emitter = new Emitter(w, { region, ids: stage.roots });
    rows.overElements(width, (position) => {
      rememberSums(emitter, region, groups, lanes, rows, position);
      storeRoots(emitter, region, stage, position, (id, index, value) => stores.everywhere(emitter, id, index, value));
    });
  });
}
