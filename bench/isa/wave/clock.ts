/**
 * @file The time of one wave that has its SIMD for itself: instructions issue in order, wait for the registers that they
 * read, and waits wait for the loads that were issued before them. No other wave takes an issue slot or bandwidth; what
 * the waves of a processor take together is bounded apart (cycles.ts).
 */
import type { Chip } from "../rdna2.ts";
import type { Decoded } from "./decode.ts";
import type { Access } from "./memory-ops.ts";
import { vectorRegisters } from "./registers.ts";

/** The cache that a kernel's loads are served from. */
export type Level = "l0" | "l1" | "l2" | "infinityCache";

export function levelOf(chip: Chip, footprintBytes: number): Level {
  if (footprintBytes <= chip.l0Bytes) return "l0";
  if (footprintBytes <= chip.l1Bytes) return "l1";
  return footprintBytes <= chip.l2Bytes ? "l2" : "infinityCache";
}

/** Operations whose results are outstanding, in the order of issue: when each is complete. */
class Outstanding {
  #times: number[] = [];

  add(time: number): void {
    // They return in order, so none is complete before those that were issued earlier.
    this.#times.push(Math.max(time, this.#times.at(-1) ?? 0));
  }

  /** When no more than `left` are outstanding. */
  whenDownTo(left: number): number {
    const done = this.#times.length - left;
    if (done <= 0) return 0;
    const time = this.#times[done - 1] ?? 0;
    this.#times = this.#times.slice(done);
    return time;
  }
}

export class Clock {
  time = 0;
  /** Cycles in which it waited for memory. */
  waited = 0;
  readonly #chip: Chip;
  readonly #loadLatency: number;
  readonly #passes: number;
  readonly #vectorReady = new Float64Array(vectorRegisters);
  readonly #scalarReady = new Float64Array(vectorRegisters);
  readonly #loads = new Outstanding();
  readonly #stores = new Outstanding();
  readonly #local = new Outstanding();
  #transcendentalFree = 0;
  #l0Free = 0;
  #localFree = 0;

  constructor(chip: Chip, level: Level) {
    this.#chip = chip;
    this.#loadLatency = chip.latency[level];
    this.#passes = chip.waveLanes / chip.simdLanes;
  }

  /** Issues an instruction; `access` is what it does to memory, `isTaken` whether it is a branch that is taken. */
  issue(decoded: Decoded, access: Access, isTaken: boolean): void {
    const { issue, latency } = this.#chip;
    const start = this.#startOf(decoded);
    const later = this.#passes - 1;
    switch (decoded.class) {
      case "fma":
      case "vector":
        this.#result(decoded, start + later * issue.vectorPass + latency.vector);
        this.time = start + this.#passes * issue.vectorPass;
        break;
      case "wideInteger":
        this.#result(decoded, start + later * issue.wideIntegerPass + latency.wideInteger);
        this.time = start + this.#passes * issue.wideIntegerPass;
        break;
      case "transcendental": {
        const free = Math.max(start, this.#transcendentalFree);
        this.#transcendentalFree = free + this.#passes * issue.transcendentalPass;
        this.#result(decoded, free + later * issue.transcendentalPass + latency.transcendental);
        this.time = free + this.#passes * issue.vectorPass;
        break;
      }
      case "scalar":
        this.#result(decoded, start + latency.scalar);
        this.time = start + issue.scalar;
        break;
      case "branch":
        this.time = start + issue.scalar + (isTaken ? issue.branchTaken : 0);
        break;
      case "scalarLoad":
        this.#local.add(start + (access.isCached ? latency.scalarCache : latency.scalarFar));
        this.time = start + issue.scalar;
        break;
      case "load":
      case "store": {
        const transfer = Math.max(access.lines, this.#passes * issue.memoryPass);
        this.#l0Free = Math.max(start, this.#l0Free) + transfer;
        const queue = decoded.class === "load" ? this.#loads : this.#stores;
        queue.add(this.#l0Free + (decoded.class === "load" ? this.#loadLatency : latency.l2));
        this.time = start + this.#passes * issue.memoryPass;
        break;
      }
      case "localRead":
      case "localWrite":
        this.#localFree = Math.max(start, this.#localFree) + access.bankCycles;
        this.#local.add(this.#localFree + latency.local);
        this.time = start + this.#passes * issue.memoryPass;
        break;
      case "wait":
        this.waited += start - this.time;
        this.time = start + issue.scalar;
        break;
      default:
        this.time = start + issue.scalar;
    }
  }

  #startOf({ reads, class: kind, wait }: Decoded): number {
    let start = this.time;
    if (kind === "wait") {
      if (wait.loads !== undefined) start = Math.max(start, this.#loads.whenDownTo(wait.loads));
      if (wait.stores !== undefined) start = Math.max(start, this.#stores.whenDownTo(wait.stores));
      if (wait.local !== undefined) start = Math.max(start, this.#local.whenDownTo(wait.local));
      return start;
    }
    for (const { kind: file, index, count } of reads) {
      const ready = file === "vector" ? this.#vectorReady : this.#scalarReady;
      for (let i = index; i < index + count; i++) start = Math.max(start, ready[i] ?? 0);
    }
    return start;
  }

  #result({ writes }: Decoded, time: number): void {
    for (const { kind, index, count } of writes)
      (kind === "vector" ? this.#vectorReady : this.#scalarReady).fill(time, index, index + count);
  }
}
