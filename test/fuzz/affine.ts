/**
 * @file Random cells whose carries are affine by construction, on a device in the schedule that is parallel over time and
 * one step after another, or in the evaluator, where a race and a read of nothing are faults.
 */
import { type Device, openDevice } from "../../index.ts";
import { deviceExecutor, type Executor } from "../../testing/executor.ts";
import type { CellPlan } from "../../testing/random-cells/cell-plan.ts";
import { checkAffine } from "../recurrence/check-affine.ts";
import { openPlace, type Place } from "./forced.ts";
import type { FuzzDevice, Totals } from "./protocol.ts";

/** Few enough for several chunks in a sequence of 20 steps. */
const timeChunk = 8;

export interface AffineBench {
  readonly name: string;
  readonly executors: readonly Executor[];
  readonly lost: readonly Promise<unknown>[];
  readonly destroy: () => void;
}

export async function openAffine(choice: FuzzDevice): Promise<AffineBench> {
  if (choice === "evaluator") return inEvaluator(await openPlace(choice));
  const device = await openDevice({ device: choice === "all" ? "auto" : choice });
  const { name, lost } = device;
  return { name, lost: [lost], destroy: () => device.destroy(), executors: executorsOn(device) };
}

/** In chunks of time, and as the compiler would by itself for sequences of few steps. */
export function executorsOn(device: Device): Executor[] {
  const inChunks = { schedule: "parallel", tuning: { timeChunk }, maxRows: 2 } as const;
  return [
    deviceExecutor(`${device.name}, parallel`, device, 1e-4, inChunks),
    deviceExecutor(`${device.name}, one step after another`, device, 1e-4, { maxRows: 2 }),
  ];
}

function inEvaluator(place: Place): AffineBench {
  const options = { target: "gpu", schedule: "parallel", tuning: { timeChunk }, maxRows: 2 } as const;
  const execute: Executor["execute"] = async (graph, inputs) => (await place.runs(graph, [inputs], options))[0] ?? [];
  const executor = { name: `${place.name}, parallel`, tolerance: 1e-4, execute };
  return { name: place.name, lost: place.lost, destroy: place.destroy, executors: [executor] };
}

/** Checks a cell, to second order for every fourth. */
export async function checkAffineOn(plan: CellPlan, executors: readonly Executor[]): Promise<Partial<Totals>> {
  const order = plan.seed % 4 === 0 ? 2 : 1;
  const { isDiscarded, loops, refused } = await checkAffine(plan, 1 + (plan.seed % 5), executors, order);
  if (isDiscarded) return { cellsDiscarded: 1 };
  const counts: Record<string, number> = {};
  for (const reason of refused) counts[reason] = (counts[reason] ?? 0) + 1;
  return {
    cells: 1,
    secondOrder: Number(order === 2),
    taken: { cells: Number(loops > 0), loops, lanes: 0, refused: counts },
  };
}
