/** @file Chooses how a scan runs. The choice is a pure function of shapes and limits, so that reruns stay bit-equal. */
import { sizeOf } from "../graph/dim.ts";
import { at, UserError } from "../graph/errors.ts";
import { nodeAt, type ScanNode } from "../graph/graph.ts";
import type { Lowering } from "./lower.ts";
import { lowerPersistent } from "./persistent.ts";
import { planPersistent } from "./persistent-plan.ts";
import type { Dispatch, Loop } from "./program.ts";
import { lowerStepwise, type ScanContext } from "./stepwise.ts";

export type ScanScheduleName = "auto" | "persistent" | "stepwise";

/**
 * Bytes of weights above which a workgroup that reads all of them in every step is slower than a dispatch per step that
 * spreads them over the device.
 */
const persistentWeightBytes = 4 * 2 ** 20;

export function lowerScan(lowering: Lowering, context: ScanContext): Dispatch | Loop {
  const node = nodeAt(context.outer.graph, context.scan) as ScanNode;
  const scan = node.attrs.body.name;
  const { schedule, tiles } = lowering;
  // What was asked for is done or refused; what a tuning prefers is done where it can be.
  const preferred = schedule === "auto" ? tiles.tuning?.schedule : undefined;
  const stepwise = (reason: string) => {
    lowering.schedules.push({ scan, schedule: "stepwise", reason });
    return lowerStepwise(lowering, context);
  };
  if (node.attrs.length === 0) return stepwise("it has no steps");
  if (schedule === "stepwise") return stepwise("it was asked for");
  if (preferred === "stepwise") return stepwise("its tuning says so");
  const { plan, reason } = planPersistent(lowering, context);
  if (plan === undefined) {
    if (schedule === "persistent")
      throw new UserError(`scan ${scan} cannot run persistently: ${reason}; choose schedule "auto" or "stepwise"`);
    return stepwise(reason);
  }
  const weights = weightBytes(node);
  if (schedule === "auto" && preferred === undefined && weights > persistentWeightBytes) {
    return stepwise(`${weights} bytes of weights are too many for one workgroup to read in every step`);
  }
  lowering.schedules.push({ scan, schedule: "persistent", reason });
  return lowerPersistent(lowering, context, plan);
}

/** Bytes of what the body reads in every step whatever the row: the consts that enter its products. */
function weightBytes({ attrs }: ScanNode): number {
  const { body, consts } = attrs;
  return body.inputs.slice(0, consts).reduce((sum, id) => {
    const size = sizeOf(at(body.nodes, id).aval.shape);
    return sum + (typeof size === "number" ? 4 * size : 0);
  }, 0);
}
