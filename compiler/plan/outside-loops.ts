/**
 * @file Stages outside of all loops: where products are large, those that do not depend on each other run apart, the
 * depth of small results is shared among workgroups, and kernels are made for several sizes of the batch and the
 * sequence, of which a run takes one.
 */
import type { Dim } from "../graph/dim.ts";
import { at } from "../graph/errors.ts";
import { type NodeId, nodeAt } from "../graph/graph.ts";
import { bytesOf } from "./emit/block-products.ts";
import { type BlockPlan, type Candidate, cheapest, dispatchCycles, shapeName, sizesOf } from "./emit/block-shape.ts";
import { blocks, blocksOf, matrixOf, plansOf, usesBlocks } from "./emit/blocks.ts";
import { formOf } from "./emit/forms.ts";
import { buildParts, type KernelHooks, type PartOfKernel } from "./emit/kernel.ts";
import { scatterByChunk } from "./emit/scatter-chunks.ts";
import { chunkSums, sumOfChunks, sumsSize } from "./emit/split-depth.ts";
import type { Lowering } from "./lowering.ts";
import type { Dispatch, ScanStep } from "./program.ts";
import { chooseSteps } from "./scan/choose.ts";
import { cutStage } from "./stages/components.ts";
import type { Wait } from "./stages/dispatches.ts";
import type { Staging } from "./stages/form-stages.ts";
import { groupStages } from "./stages/groups.ts";
import { loopExtentsOf } from "./stages/loops.ts";
import type { ScanStage, Stage } from "./stages/stages.ts";
import type { OutsideLoops, TileOptions } from "./stages/tiles.ts";
import { stagesWork, type WorkScope } from "./work.ts";

/** Any size: for a stage whose kernel does not depend on one. */
const anySize: OutsideLoops = { dim: undefined, typical: 1, atMost: undefined, together: 1 };

/**
 * Cuts products that are computed in blocks off their stages. `donated` are the inputs whose memory an output reuses: a
 * stage that overwrites one stays together with all that reads it.
 */
export function cutProducts(
  graph: Lowering["region"]["graph"],
  staging: Staging,
  donated: ReadonlyMap<number, NodeId>,
  tiles: TileOptions,
): Staging {
  const outside = { ...tiles, outside: anySize };
  const stages = staging.stages.flatMap((stage): readonly (Stage | ScanStage)[] => {
    if (stage.kind === "scan") return [stage];
    const overwritten = [...donated].filter(([output]) => stage.roots.includes(at(graph.outputs, output)));
    const shared = new Set(overwritten.map(([, input]) => input));
    return cutStage(graph, stage, staging.stored, shared, (part) =>
      usesBlocks({ region: { graph }, stage: part, tiles: outside }),
    );
  });
  return { ...staging, stages, groups: groupStages(stages) };
}

/** What stages need to be lowered. */
interface StageHooks {
  readonly order: number;
  readonly work: WorkScope;
  /** Stages whose second kernel waits for that of a later group. */
  readonly waits: ReadonlyMap<Stage, Wait>;
  /** What waits, by the number of the group: filled by earlier groups. */
  readonly waiting: Waiting;
}

/** Parts of kernels that wait for a group, at some sizes of a dimension; at all sizes if that is undefined. */
interface Arrival {
  readonly dim: Dim | undefined;
  /** The sizes are above the first and up to the second number. */
  readonly above: number;
  readonly atMost: number | undefined;
  readonly parts: readonly PartOfKernel[];
}

/** What waits for each group, by its number. */
export type Waiting = Map<number, Arrival[]>;

type Sizes = Omit<OutsideLoops, "together">;

/** Sizes, and the plans of the stages that are computed in blocks there. */
interface SizedPlans {
  readonly size: Sizes;
  readonly plans: ReadonlyMap<Stage, BlockPlan>;
}

function isFor({ dim, above, atMost }: Arrival, size: Sizes): boolean {
  if (dim === undefined || size.dim === undefined) return true;
  const most = size.atMost ?? Number.POSITIVE_INFINITY;
  return above < most && most <= (atMost ?? Number.POSITIVE_INFINITY);
}

/** The steps of stages of one level: of some kernels, or of a choice between some for different sizes. */
export function lowerStages(lowering: Lowering, stages: readonly Stage[], hooks: StageHooks): readonly ScanStep[] {
  const { order, waits, waiting } = hooks;
  const inBlocks = stages.filter((stage) => isInBlocks(lowering, stage));
  const withSize = (size: Sizes): Lowering => {
    const outside = { ...size, together: Math.max(1, inBlocks.length) };
    return { ...lowering, tiles: { ...lowering.tiles, outside } };
  };
  const arrivals = waiting.get(order) ?? [];
  const dim = decidingDim(lowering, inBlocks) ?? arrivals.find((arrival) => arrival.dim !== undefined)?.dim;
  /** The later group in which a stage's second kernel runs, if both have kernels for the same sizes. */
  const groupOf = (stage: Stage): number => {
    const wait = waits.get(stage);
    if (wait === undefined) return order;
    const there = decidingDim(
      lowering,
      wait.stages.filter((other) => isInBlocks(lowering, other)),
    );
    const dims = [dim, there, ...(waiting.get(wait.order) ?? []).map((arrival) => arrival.dim)];
    return new Set(dims.filter((each) => each !== undefined)).size > 1 ? order : wait.order;
  };
  const sized = (size: Sizes): SizedPlans => ({ size, plans: choosePlans(withSize(size), stages) });
  const branch = ({ size, plans }: SizedPlans, i: number, all: readonly SizedPlans[]) => ({
    atMost: size.atMost,
    steps: () => {
      const arrived = arrivals.filter((arrival) => isFor(arrival, size)).flatMap(({ parts }) => parts);
      const sizes = { dim: size.dim, above: all[i - 1]?.size.atMost ?? 0, atMost: size.atMost };
      const leave = (group: number, part: PartOfKernel): void => {
        waiting.set(group, [...(waiting.get(group) ?? []), { ...sizes, parts: [part] }]);
      };
      const branchHooks = { ...hooks, plans, isOnly: all.length <= 1, arrived, groupOf, leave };
      return lowerFor(withSize(size), stages, branchHooks);
    },
  });
  if (dim === undefined) return branch(sized(anySize), 0, []).steps();
  const all = sizesOf(dim).map(sized);
  const keys = all.map(({ size, plans }) =>
    JSON.stringify([[...plans.values()], arrivals.map((arrival) => isFor(arrival, size))]),
  );
  // Of sizes with equal plans, the largest stands for all.
  const kept = all.filter((_, i) => keys[i + 1] !== keys[i]);
  return kept.length === 1 ? branch(at(kept, 0), 0, kept).steps() : chooseSteps(lowering, dim, kept.map(branch));
}

function isInBlocks({ region, forms, tiles }: Lowering, stage: Stage): boolean {
  const context = { region, stage, tiles: { ...tiles, outside: anySize } };
  return forms.includes(blocks) && formOf(forms, context) === blocks;
}

/** The dimension on which most plans depend. */
function decidingDim({ region }: Lowering, stages: readonly Stage[]): Dim | undefined {
  const counts = new Map<Dim, number>();
  for (const { loops } of stages) {
    const { m } = matrixOf(nodeAt(region.graph, at(loops, 0)));
    for (const dim of new Set([m, at(loopExtentsOf(region, at(loops, 0)), 0)]))
      if (typeof dim !== "number") counts.set(dim, (counts.get(dim) ?? 0) + 1);
  }
  const [first] = [...counts].sort(([, a], [, b]) => b - a);
  return first?.[0];
}

/**
 * The plans of the stages that are computed in blocks. Blocks of two shapes do not fit in workgroup memory together, so
 * each shape is a kernel of its own: stages share one unless their own are so much better.
 */
function choosePlans(lowering: Lowering, stages: readonly Stage[]): ReadonlyMap<Stage, BlockPlan> {
  const { region, tiles } = lowering;
  const all = stages
    .filter((stage) => isInBlocks(lowering, stage))
    .map((stage) => {
      const candidates = plansOf({ region, stage, tiles });
      const byKey = new Map<string, Candidate>();
      for (const candidate of candidates) {
        const key = shapeName(candidate.plan.shape);
        byKey.set(key, cheapest([byKey.get(key) ?? candidate, candidate]));
      }
      return { stage, best: cheapest(candidates), byKey };
    });
  const keys = new Set(all.flatMap(({ byKey }) => [...byKey.keys()]));
  const choices = [undefined, ...keys].map((key) => {
    const plans = all.map(({ stage, best, byKey }) => ({
      stage,
      ...((key === undefined ? undefined : byKey.get(key)) ?? best),
    }));
    const kernels = new Set(plans.map(({ plan }) => shapeName(plan.shape))).size;
    return { plans, cycles: plans.reduce((sum, { cycles }) => sum + cycles, kernels * dispatchCycles) };
  });
  const { plans } = choices.reduce((best, each) => (each.cycles < best.cycles ? each : best));
  return new Map(plans.map(({ stage, plan }) => [stage, plan]));
}

/** What stages of a group need at some sizes. */
interface BranchHooks extends StageHooks {
  readonly plans: ReadonlyMap<Stage, BlockPlan>;
  /** Whether the kernels serve all sizes. */
  readonly isOnly: boolean;
  /** Parts of earlier groups' second kernels. */
  readonly arrived: readonly PartOfKernel[];
  readonly groupOf: (stage: Stage) => number;
  /** Leaves a part to a later group. */
  readonly leave: (group: number, part: PartOfKernel) => void;
}

function lowerFor(
  lowering: Lowering,
  stages: readonly Stage[],
  { order, work, plans, isOnly, arrived, groupOf, leave }: BranchHooks,
): readonly ScanStep[] {
  const { region, memory, forms, tiles } = lowering;
  const until = Math.max(...stages.map(groupOf));
  const scratch: KernelHooks["scratch"] = (size, dtype) =>
    memory.place(dtype, size, order, typeof size === "number" ? until : order);
  /** The parts of kernels, by shape of their blocks. */
  const kernels = new Map<string, PartOfKernel[]>([...plans.values()].map((plan) => [shapeName(plan.shape), []]));
  const add = (key: string, parts: readonly PartOfKernel[]) =>
    kernels.set(key, [...(kernels.get(key) ?? []), ...parts]);
  /** Stages of other forms go with blocks that leave them workgroup memory. */
  const isRoomy = (key: string) =>
    [...plans].every(([{ loops }, plan]) => {
      const isAlone = plan.chunks !== undefined || loops.length === 1;
      return shapeName(plan.shape) !== key || (isAlone && bytesOf(plan.shape) <= roomyBytes);
    });
  const others = stages.filter((stage) => !plans.has(stage));
  const needMuch = others.some((stage) => formOf(forms, { region, stage, tiles }) === scatterByChunk);
  // Values without loops need none.
  const needNone = others.every(({ loops }) => loops.length === 0);
  const otherKey = (needMuch ? undefined : [...kernels.keys()].find((key) => needNone || isRoomy(key))) ?? "";
  const later: PartOfKernel[] = [...arrived];
  const addSecond = (part: PartOfKernel): void => {
    const group = groupOf(part.context.stage);
    if (group === order) later.push(part);
    else leave(group, part);
  };
  for (const stage of stages) {
    const context = { region, stage, tiles };
    const plan = plans.get(stage);
    if (plan === undefined) {
      const form = formOf(forms, context);
      // A software adapter runs the code of all parts for every workgroup, masked where it is another's.
      add(tiles.target === "software" ? `form ${forms.indexOf(form)}` : otherKey, [{ context, form }]);
      continue;
    }
    const { shape, chunks } = plan;
    if (chunks === undefined) {
      add(shapeName(plan.shape), [{ context, form: blocksOf(context, shape) }]);
      continue;
    }
    const sums = stage.loops.map(() => scratch(sumsSize(context, chunks), "f32"));
    const split = { shape, chunks };
    const products = sums.map((own, product) => ({
      context,
      form: chunkSums(context, product, split),
      scratch: [own],
    }));
    add(shapeName(plan.shape), products);
    addSecond({ context, form: sumOfChunks(split), scratch: sums });
  }
  const phase = lowering.phaseOf(stages.flatMap(({ loops, roots }) => [...loops, ...roots]));
  const dispatches = [...kernels.values()].flatMap((parts): readonly Dispatch[] => {
    const own = [...new Set(parts.map(({ context }) => context.stage))];
    const { built, writers, seconds } = buildParts(lowering, region, parts, { scratch, work: stagesWork(work, own) });
    seconds.forEach(addSecond);
    return built.map((each, i) => {
      const grid = [...each.grid];
      if (isOnly) lowering.open.add({ order, kernel: each.kernel, grid, writer: at(writers, i) });
      return { ...each, grid, kind: "dispatch", phase };
    });
  });
  if (later.length === 0) return dispatches;
  // Stages are counted once, with their first kernel.
  const { built } = buildParts(lowering, region, later, { scratch, work: { flops: [], bytes: [] } });
  return [...dispatches, ...built.map((each): Dispatch => ({ ...each, kind: "dispatch", phase }))];
}

/** Bytes of workgroup memory next to which other forms have enough. */
const roomyBytes = 8192;
