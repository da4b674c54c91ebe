/**
 * @file How many steps of a sequence one persistent dispatch runs. Systems reset a GPU whose dispatch does not end (Windows
 * after 2 s), and a screen waits for it, so a long sequence is cut into chunks: dispatches of one kernel, each of
 * which starts from the carries that the one before has left.
 *
 * The number of steps follows from an estimate of one workgroup's time for a step:
 *
 *   seconds per step = operations / operations per second + barriers * seconds per barrier
 *   steps of a chunk = budget / seconds per step
 *
 * It depends on the widths of a row, the rows of a workgroup and the target, which are all known when a program is
 * compiled: not on batch and length, so that these are no part of a pipeline, and not on a measurement, so that reruns
 * cut at the same places. Where a cut lies changes no bit of the result.
 */
import { type Dim, sizeOf } from "../graph/dim.ts";
import { ancestorsOf, type NodeId, nodeAt } from "../graph/graph.ts";
import { entryOf, type TableOp } from "../ops/table.ts";
import type { Region } from "./emit-values.ts";
import { loopExtentsOf } from "./loops.ts";
import type { Target } from "./tiles.ts";

/** The work of one workgroup in one step. */
export interface StepWork {
  readonly operations: number;
  readonly barriers: number;
  /** Invocations of the workgroup. */
  readonly lanes: number;
}

interface Pace {
  /** Seconds that a chunk of one workgroup may take by the estimate. */
  readonly budget: number;
  readonly operationsPerSecond: (lanes: number) => number;
  readonly secondsPerBarrier: number;
}

/**
 * Estimates on the slow side.
 *
 * On a GPU an invocation waits for what it loads: with two steps of a product's depth in flight, 4 operations, and 200 ns
 * until weights come from a cache that all cores share, it does 20 million operations a second. Workgroups that do not
 * run at once, of which there are several rounds where a batch is larger than the device, multiply the budget: it leaves
 * room for four below 100 ms, and for eighty below 2 s.
 *
 * A software adapter runs a workgroup on one core, at about 10^9 operations a second whatever its lanes are. There is no
 * watchdog and no screen to hold up, and a dispatch costs more: the budget is larger.
 */
const paces: Record<Target, Pace> = {
  gpu: { budget: 0.025, operationsPerSecond: (lanes) => 20e6 * lanes, secondsPerBarrier: 2e-6 },
  software: { budget: 0.5, operationsPerSecond: () => 1e9, secondsPerBarrier: 10e-6 },
};

/** Steps that one dispatch runs at the most; at least 1. */
export function chunkSteps({ operations, barriers, lanes }: StepWork, target: Target): number {
  const { budget, operationsPerSecond, secondsPerBarrier } = paces[target];
  const seconds = operations / operationsPerSecond(lanes) + Math.max(1, barriers) * secondsPerBarrier;
  return Math.max(1, Math.floor(budget / seconds));
}

/** Operations that count for an elementwise function that is not cheap, such as `exp`. */
const operationsOfFunction = 16;

/**
 * Floating-point operations of one row in one step. `isPerRow` tells the values that every row has its own of; the
 * others are the same for all rows and steps.
 */
export function operationsPerRow(body: Region, outputs: readonly NodeId[], isPerRow: (id: NodeId) => boolean): number {
  return [...ancestorsOf(body.graph, outputs)].filter(isPerRow).reduce((total, id) => {
    const elements = knownSize(nodeAt(body.graph, id).aval.shape.slice(1));
    return total + elements * operationsPerElement(body, id);
  }, 0);
}

function operationsPerElement(body: Region, id: NodeId): number {
  const node = nodeAt(body.graph, id);
  if (node.op === "input" || node.op === "scan" || node.op === "result") return 1;
  const entry = entryOf(node.op as TableOp);
  if (entry.kind === "elementwise") return entry.cheap ? 1 : operationsOfFunction;
  if (node.op === "dot") return 2 * knownSize(loopExtentsOf(body, id));
  return entry.kind === "reduction" ? knownSize(loopExtentsOf(body, id)) : 1;
}

/** Number of elements; where rows are separable, all axes but the first are numbers. */
function knownSize(dims: readonly Dim[]): number {
  return Number(sizeOf(dims));
}
