/**
 * @file The cycle model: how long a dispatch, or one step of the time loop in it, takes on the whole chip. It is a model
 * of one chip, not a measurement.
 *
 * The workgroups of a dispatch spread evenly over the processors; each holds as many at a time as registers and workgroup
 * memory allow. The result is the largest of these bounds:
 *
 *   latency   the slowest workgroup from start to end, its waves each alone on a SIMD (wave/clock.ts), times the rounds
 *             in which workgroups take turns
 *   issue     vector or scalar instructions of all waves of a processor over its SIMDs
 *   special   transcendental functions, likewise
 *   local     cycles of the banks of workgroup memory of a processor
 *   l0        cache lines that the loads and stores of a processor move
 *   l2        bytes of stores, and of loads where what a workgroup loads does not fit in L0 and L1
 *
 * Assumptions: the waves of a workgroup spread over all SIMDs of a processor, as RADV asks for; bounds overlap perfectly, so the sum of two never counts, though where two
 * are close, a kernel can take up to both; all loads of a kernel are served by the smallest
 * cache that holds what one workgroup reads, and of several loads of one line in a step L2 sees the first; stores go to L2; both passes of a wave
 * of 64 run even if one half is inactive; instruction caches never miss.
 */

import type { Chip } from "./rdna2.ts";
import type { Level } from "./wave/clock.ts";
import type { Counts } from "./wave/tally.ts";

/** What workgroups of one kind do. */
export interface GroupWork {
  /** How many there are in the dispatch. */
  readonly groups: number;
  /** Waves of each. */
  readonly waves: number;
  /** Latency of one of them, in cycles. */
  readonly cycles: number;
  /** Of all waves of one of them. */
  readonly counts: Counts;
  /** Different cache lines that one of them loads. */
  readonly footprintLines: number;
}

export interface Resources {
  /** Vector registers of a lane. */
  readonly registers: number;
  readonly workgroupBytes: number;
  /** Where loads are served from. */
  readonly level: Level;
}

export const boundNames = ["latency", "issue", "special", "local", "l0", "l2"] as const;
export type BoundName = (typeof boundNames)[number];
export type Bounds = Readonly<Record<BoundName, number>>;

/** Workgroups that one processor holds at a time; 0 where one alone does not fit. */
export function residentGroups(chip: Chip, waves: number, { registers, workgroupBytes }: Resources): number {
  const granules = Math.max(1, Math.ceil(registers / chip.registerGranule));
  const wavesOfSimd = Math.min(chip.waves, Math.floor(chip.registers / (granules * chip.registerGranule)));
  const byRegisters = Math.floor((wavesOfSimd * chip.simds) / waves);
  return workgroupBytes === 0 ? byRegisters : Math.min(byRegisters, Math.floor(chip.localBytes / workgroupBytes));
}

export function boundsOf(chip: Chip, work: readonly GroupWork[], resources: Resources): Bounds {
  const groups = work.reduce((sum, each) => sum + each.groups, 0);
  if (groups === 0) return { latency: 0, issue: 0, special: 0, local: 0, l0: 0, l2: 0 };
  const total = (of: (each: GroupWork) => number) => work.reduce((sum, each) => sum + each.groups * of(each), 0);
  const waves = Math.max(...work.map((each) => each.waves));
  const resident = Math.max(1, residentGroups(chip, waves, resources));
  /** The processor with the most workgroups. */
  const most = Math.ceil(groups / chip.processors);
  const rounds = Math.ceil(most / resident);
  const slowest = Math.max(...work.map(({ cycles }) => cycles));
  const mean = total(({ cycles }) => cycles) / groups;
  /** Of the busiest processor, over units that share the work of its waves. */
  const busy = (of: (counts: Counts) => number, units: number) =>
    ((total(({ counts }) => of(counts)) / groups) * most) / Math.min(units, waves * most);
  const loadsReachL2 = resources.level === "l2" || resources.level === "infinityCache";
  const linesToL2 = ({ counts, footprintLines }: GroupWork) =>
    counts.storeLines + (loadsReachL2 ? Math.min(counts.loadLines, footprintLines) : 0);
  return {
    latency: Math.max(slowest, mean * rounds),
    issue: Math.max(
      busy(({ vectorCycles }) => vectorCycles, chip.simds),
      busy(({ scalarCycles }) => scalarCycles, chip.simds),
    ),
    special: busy(({ transcendentalCycles }) => transcendentalCycles, chip.simds),
    local: busy(({ localCycles }) => localCycles, chip.units),
    l0: busy(({ l0Cycles }) => l0Cycles, chip.l0Bandwidth / chip.lineBytes),
    l2: (total(linesToL2) * chip.lineBytes) / chip.l2Bandwidth,
  };
}

/** The bound that decides, and its cycles. */
export function largestOf(bounds: Bounds): readonly [name: BoundName, cycles: number] {
  const name = boundNames.reduce((a, b) => (bounds[b] > bounds[a] ? b : a));
  return [name, bounds[name]];
}
