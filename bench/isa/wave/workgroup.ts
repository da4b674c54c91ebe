/**
 * @file Runs one workgroup of a disassembled kernel: its waves one after the other from barrier to barrier, by the
 * counters, compares and branches of the machine code itself. So the trips of every loop are those that the code makes
 * with these sizes, unrolled or not. What depends on data is unknown: a condition on it is taken to hold, so that skipped
 * code counts as run; if it decides whether a loop goes on, that is a fault of the kernel, and there are no counts.
 */
import { type Flow, flowOf } from "../flow.ts";
import type { Block } from "../listing.ts";
import type { Chip } from "../rdna2.ts";
import { Clock, type Level } from "./clock.ts";
import { type Decoded, decode } from "./decode.ts";
import { type BoundBuffer, descriptorsAt, dynamicDescriptorsAt, Memory } from "./memory-ops.ts";
import { Constants, slot } from "./registers.ts";
import { type Action, scalarAction } from "./scalar-ops.ts";
import { lanes, WaveState } from "./state.ts";
import { count, type MutableCounts, noCounts } from "./tally.ts";
import { vectorAction } from "./vector-ops.ts";

/** Why the counts of a kernel cannot be told. */
export class KernelFault extends Error {}

/** A wave that runs for longer than this does not end. */
const mostInstructions = 50_000_000;

interface Step {
  readonly decoded: Decoded;
  readonly action: Action | undefined;
  /** The block that a branch goes to. */
  readonly target: number;
}

/** A kernel that is ready to run. */
export interface Code {
  readonly blocks: readonly (readonly Step[])[];
  readonly flow: Flow;
  readonly constants: readonly number[];
  /** Whether a branch at the end of a block decides if a loop goes on. */
  readonly decidesLoop: readonly boolean[];
  readonly names: readonly string[];
}

export function codeOf(blocks: readonly Block[]): Code {
  const flow = flowOf(blocks);
  const constants = new Constants();
  const numbers = new Map(blocks.map(({ name }, i) => [name, i]));
  const ready = blocks.map(({ instructions }) =>
    instructions.map((instruction): Step => {
      const decoded = decode(instruction, constants);
      const action =
        decoded.class === "scalar"
          ? scalarAction(decoded)
          : /^(fma|vector|transcendental|wideInteger)$/.test(decoded.class)
            ? vectorAction(decoded)
            : undefined;
      return { decoded, action, target: numbers.get(instruction.operands[0] ?? "") ?? -1 };
    }),
  );
  for (const steps of ready) markSwaps(steps);
  const decidesLoop = flow.successors.map((targets, block) =>
    flow.loops.some(
      ({ blocks: own }) => own.has(block) && targets.some((to) => own.has(to)) && targets.some((to) => !own.has(to)),
    ),
  );
  if (blocks.some(({ instructions }) => instructions.some(({ op }) => /^s_\w+saveexec_b32$/.test(op))))
    throw new KernelFault("it is compiled for waves of 32, which the tool does not know");
  return { blocks: ready, flow, constants: constants.values, decidesLoop, names: blocks.map(({ name }) => name) };
}

/** Two scalar registers change places by three xors; taken one by one, what is known of either would be lost. */
function markSwaps(steps: { -readonly [K in keyof Step]: Step[K] }[]): void {
  const operandsOf = (i: number) => {
    const instruction = steps[i]?.decoded.instruction;
    return instruction?.op === "s_xor_b32" ? instruction.operands.join() : undefined;
  };
  for (const [i, step] of steps.entries()) {
    const [a, , b] = step.decoded.instruction.operands;
    const [first, second, third] = [operandsOf(i), operandsOf(i + 1), operandsOf(i + 2)];
    if (first !== `${a},${a},${b}` || second !== `${b},${a},${b}` || third !== first) continue;
    const [one, other] = step.decoded.reads;
    const [middle, last] = [steps[i + 1], steps[i + 2]];
    if (one === undefined || other === undefined || middle === undefined || last === undefined) continue;
    step.action = middle.action = () => {};
    last.action = (wave) => wave.swapScalars(one.index, other.index);
  }
}

export interface Launch {
  readonly lanes: number;
  /** Number of the workgroup, and of workgroups of the dispatch. */
  readonly group: number;
  readonly groups: number;
  /** In the order of their bindings. */
  readonly buffers: readonly BoundBuffer[];
  readonly level: Level;
  readonly chip: Chip;
  /** Collects the lines that are loaded. */
  readonly footprint?: Set<number>;
}

export interface GroupRun {
  /** Of all waves together. */
  readonly counts: MutableCounts;
  /** Cycles until the last wave ends, and how many of these it waited for memory. */
  readonly cycles: number;
  readonly waited: number;
  readonly waves: number;
  /** How often each block ran, and how often it went on to each of its successors, in all waves. */
  readonly blockRuns: Float64Array;
  readonly edgeRuns: readonly Float64Array[];
}

export function runWorkgroup(code: Code, launch: Launch): GroupRun {
  const counts = noCounts();
  const blockRuns = new Float64Array(code.blocks.length);
  const edgeRuns = code.flow.successors.map((targets) => new Float64Array(targets.length));
  const memory = new Memory(launch.chip, launch.buffers, launch.footprint);
  const waves = Array.from(
    { length: Math.ceil(launch.lanes / lanes) },
    (_, number) => new Wave(code, launch, number, memory, { counts, blockRuns, edgeRuns }),
  );
  for (let running = waves; running.length > 0; ) {
    running = running.filter((wave) => wave.runToBarrier());
    const latest = Math.max(...running.map(({ clock }) => clock.time));
    for (const { clock } of running) clock.time = latest + launch.chip.latency.barrier;
  }
  const last = waves.reduce((a, b) => (b.clock.time > a.clock.time ? b : a));
  return {
    ...{ counts, blockRuns, edgeRuns },
    ...{ cycles: last.clock.time, waited: last.clock.waited, waves: waves.length },
  };
}

class Wave {
  readonly clock: Clock;
  readonly #code: Code;
  readonly #chip: Chip;
  readonly #state: WaveState;
  readonly #memory: Memory;
  readonly #records: Pick<GroupRun, "counts" | "blockRuns" | "edgeRuns">;
  #block = 0;
  #at = 0;
  #executed = 0;

  constructor(code: Code, launch: Launch, number: number, memory: Memory, records: Wave["records"]) {
    this.clock = new Clock(launch.chip, launch.level);
    this.#code = code;
    this.#chip = launch.chip;
    this.#memory = memory;
    this.#records = records;
    this.#state = initialState(code, launch, number);
    this.#enter(0);
  }

  get records() {
    return this.#records;
  }

  /** Whether it stopped at a barrier and goes on after it. */
  runToBarrier(): boolean {
    for (;;) {
      const step = this.#code.blocks[this.#block]?.[this.#at++];
      if (step === undefined) {
        if (this.#block + 1 >= this.#code.blocks.length) throw new KernelFault("the disassembly has no end");
        this.#goTo(this.#block + 1);
        continue;
      }
      const { decoded } = step;
      if (++this.#executed > mostInstructions)
        throw new KernelFault(`it runs for more than ${mostInstructions} instructions`);
      if (decoded.class === "branch") {
        const isTaken = this.#isTaken(step);
        this.#record(decoded, isTaken);
        if (isTaken) this.#goTo(step.target);
        continue;
      }
      this.#execute(step);
      this.#record(decoded, false);
      if (decoded.class === "barrier") return true;
      if (decoded.class === "end") return false;
    }
  }

  #record(decoded: Decoded, isTaken: boolean): void {
    const { access } = this.#memory;
    this.clock.issue(decoded, access, isTaken);
    count(this.#records.counts, decoded, access, this.#state.activeLanes, this.#chip);
  }

  #execute({ decoded, action }: Step): void {
    const state = this.#state;
    if (action !== undefined) {
      action(state);
      return;
    }
    switch (decoded.class) {
      case "scalarLoad":
        this.#memory.scalarLoad(state, decoded);
        break;
      case "load":
      case "store":
        if (decoded.instruction.op.startsWith("scratch_")) this.#memory.scratchAccess(state, decoded);
        else this.#memory.vectorAccess(state, decoded);
        break;
      case "localRead":
      case "localWrite":
        this.#memory.localAccess(state, decoded);
        break;
      default:
        for (const { kind, index, count: registers } of decoded.writes)
          if (kind === "vector") state.forgetVector(index, registers);
          else state.forgetScalar(index, registers);
    }
  }

  #isTaken({ decoded }: Step): boolean {
    const { op } = decoded.instruction;
    const state = this.#state;
    if (op === "s_branch") return true;
    const [, register, wanted] = /^s_cbranch_(scc|vcc|exec)(z|nz|0|1)$/.exec(op) ?? [];
    if (register === undefined) throw new KernelFault(`the branch ${op} is not known`);
    const index = register === "scc" ? slot.scc : register === "vcc" ? slot.vcc : slot.exec;
    const isWide = register !== "scc";
    if (!state.isKnown(index, isWide ? 2 : 1)) {
      if (this.#code.decidesLoop[this.#block])
        throw new KernelFault(`data decides how often the loop with block ${this.#code.names[this.#block]} runs`);
      this.#records.counts.assumed++;
    }
    const isZero = state.scalar(index) === 0 && (!isWide || state.scalar(index + 1) === 0);
    return isZero === (wanted === "z" || wanted === "0");
  }

  #goTo(block: number): void {
    const edge = this.#code.flow.successors[this.#block]?.indexOf(block) ?? -1;
    const runs = this.#records.edgeRuns[this.#block];
    if (edge >= 0 && runs !== undefined) runs[edge] = (runs[edge] ?? 0) + 1;
    this.#enter(block);
  }

  #enter(block: number): void {
    this.#block = block;
    this.#at = 0;
    this.#records.blockRuns[block] = (this.#records.blockRuns[block] ?? 0) + 1;
  }
}

/**
 * Registers as RADV starts a compute kernel: s2 has the address of the descriptors, s3 that of those with dynamic offsets
 * where there are any; then the numbers of workgroups, two coordinates of the own one, and a word with the number of
 * the wave. v0 is the number of the invocation.
 */
function initialState(code: Code, { lanes: size, group, groups, buffers }: Launch, number: number): WaveState {
  const state = new WaveState(code.constants);
  const hasDynamic = buffers.some(({ isDynamic }) => isDynamic);
  const waves = Math.ceil(size / lanes);
  const words = [
    descriptorsAt,
    ...(hasDynamic ? [dynamicDescriptorsAt] : []),
    ...[groups, 1, 1],
    ...[group, 0],
    (number << 6) | waves,
  ];
  for (const [i, word] of words.entries()) state.setScalar(2 + i, word);
  const active = Math.min(lanes, size - number * lanes);
  const mask = (bits: number) => (bits >= 32 ? -1 : (1 << Math.max(bits, 0)) - 1);
  state.setPair(slot.exec, mask(active), mask(active - 32), 1);
  for (let lane = 0; lane < lanes; lane++) state.v[lane] = number * lanes + lane;
  state.vKnownLow[0] = state.vKnownHigh[0] = -1;
  state.vShapeLow[0] = state.vShapeHigh[0] = -1;
  return state;
}
