/** @file What a wave, a workgroup or a dispatch has done: counts that can be added, subtracted and scaled. */
import type { Chip } from "../rdna2.ts";
import type { Decoded } from "./decode.ts";
import type { Access } from "./memory-ops.ts";

/** Counts by wave, so an instruction of a workgroup of four waves counts four times, unless it says otherwise. */
export const countNames = [
  "instructions",
  "fma",
  "otherVector",
  "transcendental",
  "scalar",
  "branches",
  "waits",
  "barriers",
  "scalarLoads",
  /** Words of 32 bits that scalar loads fetch. */
  "scalarLoadWords",
  "loads",
  /** Words of 32 bits that a lane fetches. */
  "loadWords",
  "stores",
  "storeWords",
  "localReads",
  "localReadWords",
  "localWrites",
  "localWriteWords",
  /** Floating-point operations of all lanes together. */
  "flops",
  /** Words of parameters that all lanes fetch together. */
  "weightLoads",
  /** Counters of loops that the WGSL compiler could not prove finite. */
  "guards",
  /** Minima of unsigned integers: what clamping an index compiles to. */
  "minima",
  /** Conditions on data, which are taken to hold. */
  "assumed",
  /** Cycles that each unit is busy. */
  "vectorCycles",
  "scalarCycles",
  "transcendentalCycles",
  "localCycles",
  "l0Cycles",
  "loadLines",
  "storeLines",
] as const;
export type CountName = (typeof countNames)[number];
export type Counts = Readonly<Record<CountName, number>>;

export type MutableCounts = Record<CountName, number>;

export function noCounts(): MutableCounts {
  return Object.fromEntries(countNames.map((name) => [name, 0])) as MutableCounts;
}

/** a·x + b, count by count. */
export function combined(a: Counts, x: number, b: Counts = noCounts()): Counts {
  return Object.fromEntries(countNames.map((name) => [name, a[name] * x + b[name]])) as Counts;
}

export function count(
  to: MutableCounts,
  { instruction, class: kind, words, reads, flops }: Decoded,
  access: Access,
  activeLanes: number,
  chip: Chip,
): void {
  const passes = chip.waveLanes / chip.simdLanes;
  const { issue } = chip;
  to.instructions++;
  to.flops += flops * activeLanes;
  switch (kind) {
    case "fma":
      to.fma++;
      to.vectorCycles += passes * issue.vectorPass;
      break;
    case "vector":
      to.otherVector++;
      to.vectorCycles += passes * issue.vectorPass;
      if (instruction.op === "v_min_u32") to.minima++;
      break;
    case "wideInteger":
      to.otherVector++;
      to.vectorCycles += passes * issue.wideIntegerPass;
      break;
    case "transcendental":
      to.transcendental++;
      to.vectorCycles += passes * issue.vectorPass;
      to.transcendentalCycles += passes * issue.transcendentalPass;
      break;
    case "scalar":
      to.scalar++;
      to.scalarCycles += issue.scalar;
      if (instruction.op === "s_min_u32") to.minima++;
      if (instruction.op === "s_sub_i32" && instruction.operands[2] === "src_scc" && reads.length > 1) to.guards++;
      break;
    case "branch":
      to.branches++;
      break;
    case "wait":
      to.waits++;
      break;
    case "barrier":
      to.barriers++;
      break;
    case "scalarLoad":
      to.scalarLoads++;
      to.scalarLoadWords += words;
      to.scalarCycles += issue.scalar;
      break;
    case "load":
      to.loads++;
      to.loadWords += words;
      to.loadLines += access.lines;
      to.l0Cycles += Math.max(access.lines, passes * issue.memoryPass);
      break;
    case "store":
      to.stores++;
      to.storeWords += words;
      to.storeLines += access.lines;
      to.l0Cycles += Math.max(access.lines, passes * issue.memoryPass);
      break;
    case "localRead":
      to.localReads++;
      to.localReadWords += words;
      to.localCycles += access.bankCycles;
      break;
    case "localWrite":
      to.localWrites++;
      to.localWriteWords += words;
      to.localCycles += access.bankCycles;
      break;
    default:
  }
  if ((kind === "load" || kind === "scalarLoad") && access.isWeights) to.weightLoads += access.laneWords;
}
