/** @file One kernel of a program at one batch size: what it does in a step of the sequence, by its machine code. */
import { type DimSizes, evaluateDim } from "../../compiler/graph/dim.ts";
import type { Phase, Program } from "../../compiler/plan/program.ts";
import { evaluateSize, workgroupsOf } from "../../runtime/walk.ts";
import type { IsaCell } from "./cells.ts";
import { type BoundName, type Bounds, boundNames, boundsOf, type GroupWork, largestOf } from "./cycles.ts";
import { buffersOf, type PlacedDispatch } from "./dispatches.ts";
import { type HotBlock, hotBlockOf, type LoopRow, loopsOf } from "./hot.ts";
import type { Listing } from "./listing.ts";
import type { Chip } from "./rdna2.ts";
import { type Level, levelOf } from "./wave/clock.ts";
import { type Counts, combined } from "./wave/tally.ts";
import { type Code, codeOf, type GroupRun, KernelFault, runWorkgroup } from "./wave/workgroup.ts";

export interface KernelRow {
  readonly cell: IsaCell;
  readonly units: number;
  readonly batch: number;
  readonly phase: Phase;
  readonly kernel: string;
  readonly label: string;
  /** "inside": its own loop walks the time; "step": one dispatch a step; "once": outside the time loop. */
  readonly loop: "inside" | "step" | "once";
  /** Why its counts cannot be told; those fields are missing then. */
  readonly fault?: string;
  readonly registers: number;
  readonly scalarRegisters: number;
  /** Registers that the compiler keeps in memory, scalar ones included; bytes of memory of a lane. */
  readonly spills: number;
  readonly scratchBytes: number;
  readonly workgroupBytes: number;
  readonly lanes: number;
  readonly workgroups: number;
  /** Instructions of the code, and the compiler's own estimates, whose loops have guessed trip counts. */
  readonly codeInstructions: number;
  readonly acoLatency: number;
  readonly acoInverseThroughput: number;
  readonly cyclesPerStep?: number;
  /** Of the whole sequence, with the gaps between dispatches: what the kernel adds to the critical path. */
  readonly cyclesOfSequence?: number;
  readonly barriersOfSequence?: number;
  readonly bound?: BoundName | "dispatch";
  /** Cycles of each bound in a step. */
  readonly bounds?: Bounds;
  /** Where loads are served from, by what a workgroup reads. */
  readonly level?: Level;
  /** Bytes that a workgroup reads, in whole cache lines. */
  readonly footprintBytes?: number;
  /** Of a step and a wave, in the workgroup that takes longest. */
  readonly perWave?: Counts;
  /** Cycles of a step in which the slowest wave waits for memory. */
  readonly waitedPerStep?: number;
  /** FMA of all instructions in the block that does the most of them in the whole dispatch. */
  readonly fmaShare?: number;
  readonly hotBlock?: HotBlock;
  /** Parameters that a step loads for each row of the batch. */
  readonly weightLoadsPerStep?: number;
  /** Floating-point operations of a step: what the kernel must do by its IR, and what its code does. */
  readonly flopsPlanned?: number;
  readonly flopsDone?: number;
  readonly loops?: readonly LoopRow[];
}

export interface Place {
  readonly cell: IsaCell;
  readonly units: number;
  readonly batch: number;
}

/** A loop over time runs for this many steps, and for the other number: their difference is the steps between. */
const few = 2;
const more = 4;
/**
 * The share of the FLOP of its IR that a kernel's code must do: a code that was left early does far less. Negations and
 * first terms of sums are none of the code, which is much in a kernel of a few cheap operations.
 */
const leastShare = 0.75;

export function rowOf(
  place: Place,
  program: Program,
  placed: PlacedDispatch,
  listing: Listing,
  sizes: DimSizes & { readonly T: number },
  chip: Chip,
): KernelRow {
  const { kernel, dispatch, depth } = placed;
  const { statistics } = listing;
  const statistic = (name: string) => statistics[name] ?? 0;
  const facts: KernelRow = {
    ...place,
    phase: dispatch.phase,
    kernel: kernel.name,
    label: kernel.label,
    loop: kernel.chunked ? "inside" : depth > 0 ? "step" : "once",
    registers: statistic("VGPRs"),
    scalarRegisters: statistic("SGPRs"),
    spills: statistic("Spilled SGPRs") + statistic("Spilled VGPRs"),
    scratchBytes: statistic("Scratch size"),
    workgroupBytes: statistic("LDS size"),
    lanes: kernel.workgroupSize,
    workgroups: dispatch.grid.reduce((sum, part) => sum + workgroupsOf(part, sizes), 0),
    codeInstructions: statistic("Instructions"),
    acoLatency: statistic("Latency"),
    acoInverseThroughput: statistic("Inverse Throughput"),
  };
  try {
    return { ...facts, ...measured(facts, program, placed, codeOf(listing.blocks), sizes, chip) };
  } catch (error) {
    if (error instanceof KernelFault) return { ...facts, fault: error.message };
    throw error;
  }
}

/** A run of a representative workgroup, as the work of one step. */
interface PartRun extends GroupWork {
  readonly waited: number;
  readonly run: GroupRun;
}

function measured(
  facts: KernelRow,
  program: Program,
  { kernel, dispatch, runs }: PlacedDispatch,
  code: Code,
  sizes: DimSizes & { readonly T: number },
  chip: Chip,
): Partial<KernelRow> {
  const parts = dispatch.grid.map((part) => workgroupsOf(part, sizes));
  /** A step in the middle of the sequence, for kernels that run one. */
  const counts = Array.from({ length: Math.max(0, kernel.loops - (kernel.chunked ? 1 : 0)) }, () => 1);
  const launch = (group: number, end: number, level: Level, footprint?: Set<number>) => {
    const buffers = buffersOf(program, kernel, sizes, kernel.chunked ? [...counts, 0, end] : counts);
    const where = { lanes: kernel.workgroupSize, group, groups: facts.workgroups };
    return runWorkgroup(code, { ...where, buffers, level, chip, ...(footprint ? { footprint } : {}) });
  };
  const used = parts.flatMap((groups, i) => {
    if (groups === 0) return [];
    const first = parts.slice(0, i).reduce((sum, before) => sum + before, 0);
    const lines = new Set<number>();
    launch(first, 1, "l2", lines);
    return [{ groups, first, footprintLines: lines.size }];
  });
  if (used.length === 0) throw new KernelFault("it has no workgroups at these sizes");
  const runsOfParts = (level: Level): PartRun[] =>
    used.map(({ groups, first, footprintLines }) => {
      const run = launch(first, more, level);
      const work = { groups, waves: run.waves, footprintLines };
      if (!kernel.chunked) return { ...work, run, cycles: run.cycles, counts: run.counts, waited: run.waited };
      const before = launch(first, few, level);
      return { ...work, ...difference(run, before) };
    });
  const footprintBytes = Math.max(...used.map(({ footprintLines }) => footprintLines)) * chip.lineBytes;
  const level = levelOf(chip, footprintBytes);
  const work = runsOfParts(level);
  const bounds = boundsOf(chip, work, { registers: facts.registers, workgroupBytes: facts.workgroupBytes, level });
  const slowest = work.reduce((a, b) => (b.cycles > a.cycles ? b : a));
  /** Dispatches of a step: a kernel with the loop inside is one for the whole sequence. */
  const perStep = kernel.chunked ? 1 : runs / sizes.T;
  const [bound, cycles] = largestOf(bounds);
  const gap = (chip.latency.dispatch * runs) / sizes.T;
  /**
   * Steps that the kernel walks, or times that it runs. A loop inside a chunk of time has a length of its own, and one
   * whose workgroups the device counts is a fallback: there are none.
   */
  const walks = dispatch.chunks === undefined ? runs : evaluateDim(dispatch.chunks.length, sizes);
  const walked = dispatch.indirect === undefined ? walks : 0;
  const hotBlocks = work.flatMap(({ run, groups }) => {
    const block = hotBlockOf(code, run);
    return block === undefined ? [] : [{ block, fma: groups * block.runs * block.fma }];
  });
  const hotBlock = hotBlocks.sort((a, b) => b.fma - a.fma)[0]?.block;
  const flopsDone = work.reduce((sum, { groups, counts: all }) => sum + groups * all.flops, 0) * perStep;
  const flopsPlanned = (evaluateSize(kernel.work.flops, sizes) * (kernel.chunked ? 1 : runs)) / sizes.T;
  if (flopsDone < leastShare * flopsPlanned)
    throw new KernelFault(
      `its code does ${Math.round(flopsDone)} FLOP a step, its IR asks for ${Math.round(flopsPlanned)}`,
    );
  return {
    ...{ flopsPlanned, flopsDone },
    cyclesPerStep: cycles * perStep + gap,
    cyclesOfSequence: cycles * walked + chip.latency.dispatch * runs,
    barriersOfSequence: (slowest.counts.barriers / slowest.waves) * walked,
    bound: gap > cycles * perStep ? "dispatch" : bound,
    bounds: Object.fromEntries(boundNames.map((name) => [name, bounds[name] * perStep])) as Bounds,
    ...{ level, footprintBytes },
    perWave: combined(slowest.counts, perStep / slowest.waves),
    waitedPerStep: slowest.waited * perStep,
    weightLoadsPerStep:
      (work.reduce((sum, { groups, counts: all }) => sum + groups * all.weightLoads, 0) * perStep) / (sizes.B ?? 1),
    ...(hotBlock === undefined ? {} : { hotBlock, fmaShare: hotBlock.fma / hotBlock.instructions }),
    loops: loopsOf(code, slowest.run),
  };
}

/** Of one step: what the longer run does beyond the shorter one. */
function difference(long: GroupRun, short: GroupRun) {
  const scale = 1 / (more - few);
  const minus = (a: Float64Array, b: Float64Array | undefined) => a.map((value, i) => (value - (b?.[i] ?? 0)) * scale);
  const run: GroupRun = {
    ...long,
    blockRuns: minus(long.blockRuns, short.blockRuns),
    edgeRuns: long.edgeRuns.map((edges, i) => minus(edges, short.edgeRuns[i])),
  };
  return {
    run,
    counts: combined(short.counts, -scale, combined(long.counts, scale)),
    cycles: (long.cycles - short.cycles) * scale,
    waited: (long.waited - short.waited) * scale,
  };
}
