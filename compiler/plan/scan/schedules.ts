/**
 * @file The schedules of scans, and the choice between them: the first that can run a scan and has no reason against
 * it. The choice is a pure function of shapes and limits, so that reruns stay bit-equal.
 */
import { InternalError, UserError } from "../../graph/errors.ts";
import type { Lowering, ScanContext, ScanSchedule, ScanSchedules } from "../lowering.ts";
import type { ScanStep } from "../program.ts";
import { type ScanScheduleName, scanScheduleNames } from "./names.ts";
import { newton, parallel } from "./parallel.ts";
import { persistent, resident } from "./persistent.ts";
import { scanOf } from "./scan-context.ts";
import { stepwise } from "./stepwise.ts";

const byName: { readonly [K in ScanScheduleName]: ScanSchedule } = { newton, parallel, resident, persistent, stepwise };

/** In the order in which they are tried. The last one runs every scan. */
export const scanSchedules: ScanSchedules = scanScheduleNames.map((name) => [name, byName[name]]);

/**
 * Lowers a scan by the requested schedule, or by the one that the rule chooses, and records which and why. `except`
 * names schedules that must not be used.
 */
export function lowerScan(
  lowering: Lowering,
  context: ScanContext,
  except: readonly string[] = [],
): readonly ScanStep[] {
  const { name: scan } = scanOf(context).attrs.body;
  const { tiles } = lowering;
  const asked = except.includes(lowering.schedule) ? "auto" : lowering.schedule;
  // A requested schedule is used or refused; a schedule that a tuning prefers is used if it can be.
  const preferred = asked === "auto" ? tiles.tuning?.schedule : undefined;
  const because = asked === "auto" ? "its tuning says so" : "it was asked for";
  const refusals: string[] = [];
  for (const [name, schedule] of candidates(lowering, context, asked, preferred)) {
    if (except.includes(name)) continue;
    const isAsked = name === (preferred ?? asked);
    const plan = schedule.plan(lowering, context);
    if (plan.steps === undefined || (plan.against !== undefined && !isAsked)) {
      refusals.push((plan.steps === undefined ? plan.reason : plan.against) ?? "");
      continue;
    }
    // A preferred schedule's refusal explains most; otherwise that of the schedule before this one.
    const refusal = preferred === undefined ? refusals.at(-1) : refusals[0];
    const reason = plan.reason ?? (isAsked ? because : (refusal ?? "every scan can"));
    lowering.notes.push({ scan, schedule: name, reason });
    return plan.steps();
  }
  const [refused] = refusals;
  if (refused === undefined) throw new InternalError(`there is no schedule ${asked}`);
  const others = ["auto", ...lowering.scanSchedules.map(([name]) => name).filter((name) => name !== asked)];
  const choices = others.map((name) => JSON.stringify(name)).join(" or ");
  throw new UserError(`scan ${scan} cannot run in the schedule ${asked}: ${refused}; choose schedule ${choices}`);
}

/** The schedules to try for a scan, the preferred one first. */
function candidates(
  { scanSchedules: all }: Lowering,
  context: ScanContext,
  asked: string,
  preferred: string | undefined,
): ScanSchedules {
  // A loop of length 0 has no schedule to choose: it runs in the last one, which runs every scan, whatever was
  // requested.
  const { length, recompute } = scanOf(context).attrs;
  // The loops within its steps are those to schedule.
  if (recompute) return all.slice(-1);
  if (asked !== "auto" && length !== 0) return all.filter(([name]) => name === asked);
  const first = all.filter(([name]) => name === preferred);
  return [...first, ...all.filter(([name]) => name !== preferred)];
}
