/**
 * @file Loads and stores. Descriptors and uniforms are really there, at made-up addresses, since control flow depends on
 * them; contents of storage buffers and workgroup memory are unknown, but the addresses of lanes mostly are known, and
 * with them how many cache lines and banks an access takes.
 */
import type { Chip } from "../rdna2.ts";
import type { Decoded } from "./decode.ts";
import type { Place } from "./registers.ts";
import { isSet, lanes, type WaveState } from "./state.ts";
import { laneValue } from "./vector-ops.ts";

export interface BoundBuffer {
  /** The contents of a uniform buffer; undefined for storage. */
  readonly words: readonly number[] | undefined;
  /** Whether it is bound with a dynamic offset: the driver keeps such descriptors apart. */
  readonly isDynamic: boolean;
  /** Whether it holds the parameters of the model. */
  readonly isWeights: boolean;
}

/** What one access to memory costs; written by each access, read by clock and counts. */
export interface Access {
  /** Cache lines of all lanes together, or cycles of the banks. */
  lines: number;
  bankCycles: number;
  /** Words of all active lanes. */
  laneWords: number;
  isWeights: boolean;
  /** Whether a scalar load reads descriptors or uniforms, which its cache holds. */
  isCached: boolean;
}

const descriptorBytes = 16;
export const descriptorsAt = 0x100000;
export const dynamicDescriptorsAt = 0x200000;
const firstTag = 0x5e000000;

export class Memory {
  readonly access: Access = { lines: 0, bankCycles: 0, laneWords: 0, isWeights: false, isCached: false };
  /** Lines of storage that were loaded, if they are collected. */
  readonly footprint: Set<number> | undefined;
  readonly #chip: Chip;
  readonly #buffers: readonly BoundBuffer[];
  /** Number of the buffer by address of its descriptor. */
  readonly #descriptors: ReadonlyMap<number, number>;
  readonly #bankUse: Int32Array;
  /** For each word of workgroup memory, when it was last counted. */
  readonly #counted = new Int32Array(1 << 15);
  #now = 0;

  constructor(chip: Chip, buffers: readonly BoundBuffer[], footprint?: Set<number>) {
    this.#chip = chip;
    this.#buffers = buffers;
    this.footprint = footprint;
    const places = { fixed: descriptorsAt, dynamic: dynamicDescriptorsAt };
    this.#descriptors = new Map(
      buffers.map(({ isDynamic }, i) => {
        const kind = isDynamic ? "dynamic" : "fixed";
        const address = places[kind];
        places[kind] += descriptorBytes;
        return [address, i];
      }),
    );
    this.#bankUse = new Int32Array(chip.banks);
  }

  scalarLoad(wave: WaveState, { instruction, reads, writes }: Decoded): void {
    const [base, offset] = reads;
    const [to] = writes;
    if (base === undefined || to === undefined) return;
    const isKnown = wave.isKnown(base.index) && (offset === undefined || wave.isKnown(offset.index));
    const at = (offset === undefined ? 0 : wave.scalar(offset.index)) + immediate(instruction.modifiers);
    Object.assign(this.access, { lines: 0, bankCycles: 0, laneWords: to.count, isWeights: false, isCached: true });
    if (isKnown && instruction.op.startsWith("s_load")) {
      this.#descriptorLoad(wave, to, wave.scalar(base.index) + at);
      return;
    }
    const buffer = isKnown ? this.#bufferOf(wave, base) : undefined;
    if (buffer?.words === undefined) {
      this.#unknownScalars(wave, to, buffer);
      return;
    }
    const { words } = buffer;
    for (let i = 0; i < to.count; i++) wave.setScalar(to.index + i, words[at / 4 + i] ?? 0);
  }

  #descriptorLoad(wave: WaveState, to: Place, address: number): void {
    for (let i = 0; i < to.count; i++) {
      const word = address + 4 * i;
      const number = this.#descriptors.get(word - (word % descriptorBytes));
      const isFirst = word % descriptorBytes === 0;
      wave.setScalar(
        to.index + i,
        number === undefined || !isFirst ? 0 : firstTag + number,
        number === undefined ? 0 : 1,
      );
    }
  }

  #unknownScalars(wave: WaveState, to: Place, buffer: BoundBuffer | undefined): void {
    this.access.isCached = false;
    this.access.isWeights = buffer?.isWeights ?? false;
    wave.forgetScalar(to.index, to.count);
  }

  #bufferOf(wave: WaveState, descriptor: Place | undefined): BoundBuffer | undefined {
    if (descriptor === undefined || !wave.isKnown(descriptor.index)) return undefined;
    return this.#buffers[wave.scalar(descriptor.index) - firstTag];
  }

  /**
   * Registers put aside: `scratch_store_dword off, v1, s15 offset:16`, `scratch_load_dword v1, off, s15 offset:16`. Lanes
   * are neighbours there.
   */
  scratchAccess(wave: WaveState, { instruction, reads, writes, words, class: kind }: Decoded): void {
    const [, data, base] = kind === "store" ? reads : [undefined, writes[0], reads[1]];
    const isPlain = instruction.operands.includes("off") && wave.isKnown(base?.index ?? 0) && base?.kind === "scalar";
    const address = immediate(instruction.modifiers) + (base === undefined ? 0 : wave.scalar(base.index));
    const lines = Math.ceil((lanes * 4) / this.#chip.lineBytes) * words;
    Object.assign(this.access, { lines, bankCycles: 0, laneWords: 0, isWeights: false, isCached: false });
    for (let i = 0; i < words && data !== undefined; i++)
      if (!isPlain) wave.forgetVector(kind === "load" ? data.index + i : 0, kind === "load" ? 1 : 0);
      else if (kind === "store") wave.saveRegister(address + 4 * i, data.index + i);
      else wave.restoreRegister(address + 4 * i, data.index + i);
    if (!isPlain && kind === "store") wave.scratch.clear();
  }

  /** A load or store of a storage buffer: `buffer_load_dword v1, v2, s[4:7], 0 offen offset:16`. */
  vectorAccess(wave: WaveState, { instruction, reads, writes, words, class: kind }: Decoded): void {
    const [address, descriptor, base] = kind === "store" ? reads.slice(1) : reads;
    const number = descriptor === undefined ? -1 : wave.scalar(descriptor.index) - firstTag;
    const isKnown = wave.isKnown(descriptor?.index ?? 0);
    const start = immediate(instruction.modifiers) + (base === undefined ? 0 : wave.scalar(base.index));
    const active = wave.activeLanes;
    this.access.laneWords = active * words;
    this.access.isWeights = this.#buffers[number]?.isWeights ?? false;
    this.access.isCached = false;
    this.access.bankCycles = 0;
    this.access.lines = isKnown ? this.#linesOf(wave, address, start, words, number, kind === "load") : active;
    for (const { index, count } of writes) {
      wave.forgetVector(index, count);
      if (isKnown && isUniform(wave, address)) for (let i = 0; i < count; i++) shareUnknown(wave, index + i);
    }
  }

  #linesOf(wave: WaveState, place: Place | undefined, start: number, words: number, buffer: number, isLoad: boolean) {
    const { lineBytes } = this.#chip;
    const [execLow, execHigh] = [wave.execLow, wave.execHigh];
    const isVector = place?.kind === "vector";
    const shapeLow = isVector ? (wave.vShapeLow[place.index] ?? 0) : -1;
    const shapeHigh = isVector ? (wave.vShapeHigh[place.index] ?? 0) : -1;
    const seen: number[] = [];
    let unknown = 0;
    for (let lane = 0; lane < lanes; lane++) {
      if (!isSet(execLow, execHigh, lane)) continue;
      if (!isSet(shapeLow, shapeHigh, lane)) {
        unknown++;
        continue;
      }
      const first = start + (isVector ? laneValue(wave, place, lane) : 0);
      for (let line = Math.floor(first / lineBytes); line * lineBytes < first + 4 * words; line++) {
        if (seen.at(-1) === line || seen.includes(line)) continue;
        seen.push(line);
        if (isLoad) this.footprint?.add(buffer * 2 ** 32 + line);
      }
    }
    // Lanes whose addresses are data, each its own, are taken to be scattered.
    return seen.length + unknown;
  }

  /** An access to workgroup memory, or an exchange between lanes that goes the same way. */
  localAccess(wave: WaveState, { instruction, reads, writes, words, class: kind }: Decoded): void {
    const [address] = reads;
    const active = wave.activeLanes;
    Object.assign(this.access, { lines: 0, laneWords: active * words, isWeights: false, isCached: false });
    const { op, modifiers } = instruction;
    if (address === undefined || /swizzle|permute/.test(op)) this.access.bankCycles = lanes / this.#chip.banks;
    else {
      const unit = op.includes("st64") ? 64 : 1;
      const pair = [option(modifiers, "offset0"), option(modifiers, "offset1")].map((value) => (value ?? 0) * unit);
      const isPair = /^ds_(read|write)2/.test(op);
      const starts = isPair ? pair : [(option(modifiers, "offset") ?? 0) / 4];
      this.access.bankCycles = this.#bankCyclesOf(wave, address, starts, words / starts.length);
    }
    if (kind === "localRead") for (const { index, count } of writes) wave.forgetVector(index, count);
  }

  /** Each bank gives a different word a cycle, and gives the same word to any number of lanes; half a wave at a time. */
  #bankCyclesOf(wave: WaveState, address: Place, starts: readonly number[], words: number): number {
    const { banks } = this.#chip;
    const use = this.#bankUse;
    let cycles = 0;
    for (let first = 0; first < lanes; first += 32) {
      this.#now++;
      use.fill(0);
      let most = 0;
      for (let lane = first; lane < first + 32; lane++) {
        if (!isSet(wave.execLow, wave.execHigh, lane)) continue;
        const isKnown = isSet(wave.vKnownLow[address.index] ?? 0, wave.vKnownHigh[address.index] ?? 0, lane);
        const base = isKnown ? laneValue(wave, address, lane) >>> 2 : lane * words;
        for (const start of starts)
          for (let i = 0; i < words; i++) {
            const word = (base + start + i) & (this.#counted.length - 1);
            if (this.#counted[word] === this.#now) continue;
            this.#counted[word] = this.#now;
            const bank = word % banks;
            use[bank] = (use[bank] ?? 0) + 1;
            most = Math.max(most, use[bank] ?? 0);
          }
      }
      cycles += most;
    }
    return cycles;
  }
}

/** Whether all active lanes have one address. */
function isUniform(wave: WaveState, place: Place | undefined): boolean {
  if (place?.kind !== "vector") return true;
  let first: number | undefined;
  for (let lane = 0; lane < lanes; lane++) {
    if (!isSet(wave.execLow, wave.execHigh, lane)) continue;
    if (!isSet(wave.vShapeLow[place.index] ?? 0, wave.vShapeHigh[place.index] ?? 0, lane)) return false;
    first ??= laneValue(wave, place, lane);
    if (laneValue(wave, place, lane) !== first) return false;
  }
  return true;
}

/** All active lanes have one value, which is data. */
function shareUnknown(wave: WaveState, index: number): void {
  for (let lane = 0; lane < lanes; lane++)
    if (isSet(wave.execLow, wave.execHigh, lane)) wave.v[index * lanes + lane] = 0;
  wave.setKnown(index, [0, 0], [wave.execLow, wave.execHigh]);
}

const immediate = (modifiers: readonly string[]) => option(modifiers, "offset") ?? 0;

function option(modifiers: readonly string[], name: string): number | undefined {
  const word = modifiers.find((each) => each.startsWith(`${name}:`));
  return word === undefined ? undefined : Number(word.slice(name.length + 1));
}
