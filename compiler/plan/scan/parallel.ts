/**
 * @file The schedule that is parallel over time, for loops whose carries are affine or maxima of sums
 * (recurrence/parallel-scan.ts): many steps of a sequence at once, for two to three times the arithmetic. It pays where
 * a step has too few positions to fill the device. A loop of few steps, and one of none, runs in another schedule. With
 * Newton's method (recurrence/newton-states.ts), states that are any functions of themselves can run so too.
 */
import { type Dim, divideDims, mulDims, sizeOf } from "../../graph/dim.ts";
import { nodeAt } from "../../graph/graph.ts";
import { bodyInputs } from "../../ops/scan.ts";
import { parallelScan, reasonAgainstParallel } from "../../recurrence/parallel-scan.ts";
import type { Lowering, ScanContext, ScanPlan, ScanSchedule } from "../lowering.ts";
import type { ScanStep } from "../program.ts";
import type { Target } from "../stages/tiles.ts";
import { chooseSteps } from "./choose.ts";
import { lowerInlined } from "./inlined.ts";
import { resultPlaces, scanOf } from "./scan-context.ts";

/** The schedules of this file: the loops that they are made of run in others. */
const inTime = ["newton", "parallel"];
/** Steps of a chunk, unless a tuning has another number: a sequence of T steps takes the time of 2 * 64 + T / 64. */
const stepsPerChunk = 64;
/** Up to this many steps, one loop is as fast as three. */
const fewSteps = 128;
/**
 * From this many positions of a step on, one step fills a device. On a software adapter rows run in threads, so one row
 * or two leave some idle; a CPU's kernels are bound by arithmetic, of which there is twice as much.
 */
const fillingPositions: Readonly<Record<Target, number>> = { gpu: 2 ** 14, software: 2 ** 8, cpu: 0 };

export const parallel: ScanSchedule = { plan: (lowering, context) => planParallel(lowering, context, "parallel") };

/** The same, with Newton's method for states that are diagonal: only on request. */
export const newton: ScanSchedule = { plan: (lowering, context) => planParallel(lowering, context, "newton") };

function planParallel(lowering: Lowering, context: ScanContext, name: "parallel" | "newton"): ScanPlan {
  const { attrs } = scanOf(context);
  const reason = reasonAgainst(context, name === "newton");
  if (reason !== undefined) return { steps: undefined, reason };
  const isAsked = (lowering.schedule === "auto" ? lowering.tiles.tuning?.schedule : lowering.schedule) === name;
  const filling = fillingPositions[lowering.tiles.target];
  const positions = positionsOf(context);
  const chunk = lowering.tiles.tuning?.timeChunk ?? stepsPerChunk;
  const steps = (): readonly ScanStep[] => {
    const oneByOne = lowering.lowerScan(context, inTime);
    const atOnce = () => {
      const { graph, fallbacks } = parallelScan(attrs, chunk);
      const conditions = new Map(fallbacks.map(({ scan, condition }) => [scan, condition]));
      return lowerInlined(lowering, context, graph, { except: inTime, conditions });
    };
    if (isAsked)
      return chooseSteps(lowering, attrs.length, [branch(0, oneByOne), { atMost: undefined, steps: atOnce }]);
    const { rows, width } = positions;
    const bySize = () =>
      chooseSteps(lowering, rows, [
        { atMost: Math.floor(filling / width), steps: atOnce },
        branch(undefined, oneByOne),
      ]);
    return chooseSteps(lowering, attrs.length, [branch(fewSteps, oneByOne), { atMost: undefined, steps: bySize }]);
  };
  const sizes = isAsked ? "" : `, if there are more than ${fewSteps} and at most ${filling} positions in each`;
  const against = name === "newton" ? "it is for requests" : reasonAgainstByRule(lowering, context, positions);
  const why =
    attrs.carries === 0
      ? "it has no carries"
      : name === "newton"
        ? "its carries are diagonal or affine"
        : "its carries are affine";
  return {
    steps,
    reason: `${why}: chunks of ${chunk} steps run at once${sizes}`,
    ...(against && { against }),
  };
}

/** Why a scan cannot run so, or undefined. */
function reasonAgainst(context: ScanContext, isNewton: boolean): string | undefined {
  const { attrs } = scanOf(context);
  if ([...resultPlaces(context).values()].some(({ half }) => half !== undefined))
    return "two of its results share words, which one invocation must write";
  return reasonAgainstParallel(attrs, isNewton);
}

/** Why a scan should run so only on request, or undefined. */
function reasonAgainstByRule(lowering: Lowering, context: ScanContext, { rows, width }: Positions): string | undefined {
  const { carries, length } = scanOf(context).attrs;
  if (carries === 0) return "it has no carries";
  const filling = fillingPositions[lowering.tiles.target];
  if (filling === 0) return "a CPU has no lanes to spare for twice the arithmetic";
  if (context.nesting > 0) return "it is inside another loop";
  if (typeof length === "number" && length <= fewSteps) return `it has ${length} steps`;
  if (typeof rows === "number" && rows * width > filling) return `a step has ${rows * width} positions`;
  if (width > filling) return `a row has ${width} positions`;
  return undefined;
}

function branch(atMost: number | undefined, steps: readonly ScanStep[]) {
  return { atMost, steps: () => steps };
}

/** The positions of a step: a dimension, and a number of positions for each unit of it. */
interface Positions {
  readonly rows: Dim;
  readonly width: number;
}

function positionsOf(context: ScanContext): Positions {
  const { attrs } = scanOf(context);
  const [first] = bodyInputs(attrs).carries;
  const shape = first === undefined ? [] : nodeAt(attrs.body, first).aval.shape;
  const known = shape.filter((dim) => typeof dim === "number").reduce((product, dim) => product * dim, 1);
  return { rows: divideDims(sizeOf(shape), known) ?? mulDims(1, sizeOf(shape)), width: Math.max(1, known) };
}
