/**
 * @file The registers of one wave, each with what is known of it. Values that come from data (storage buffers, workgroup
 * memory, floating-point arithmetic) are unknown; all that sizes, step numbers and lane numbers determine is known. An
 * unknown scalar has a stand-in, by which the wave goes on; what depends on it is unknown too.
 */
import { firstConstant, slot, vectorRegisters } from "./registers.ts";

export const lanes = 64;

interface SavedRegister {
  readonly values: Int32Array;
  readonly knownLow: number;
  readonly knownHigh: number;
}

export class WaveState {
  readonly s: Int32Array;
  readonly sKnown: Uint8Array;
  readonly v = new Int32Array(vectorRegisters * lanes);
  readonly vFloat = new Float32Array(this.v.buffer);
  /** Registers that the compiler has put aside in private memory, by address. */
  readonly scratch = new Map<number, SavedRegister>();
  /** For each vector register, a bit for each lane. */
  readonly vKnownLow = new Int32Array(vectorRegisters);
  readonly vKnownHigh = new Int32Array(vectorRegisters);
  /**
   * Lanes whose value is known but for a part that all lanes share, such as an index that was loaded: enough to tell how
   * an access spreads over cache lines. Their values are as if that part were 0. Known lanes are among them.
   */
  readonly vShapeLow = new Int32Array(vectorRegisters);
  readonly vShapeHigh = new Int32Array(vectorRegisters);

  constructor(constants: readonly number[]) {
    this.s = new Int32Array(firstConstant + constants.length);
    this.sKnown = new Uint8Array(this.s.length);
    this.s.set(constants, firstConstant);
    this.sKnown.fill(1, firstConstant);
    this.setScalar(slot.none, 0);
  }

  setScalar(index: number, value: number, known = 1): void {
    if (index === slot.none && known === 0) return;
    this.s[index] = value;
    this.sKnown[index] = known;
  }

  /** SCC then says whether the first one is not 0. */
  swapScalars(one: number, other: number): void {
    const [value, known] = [this.scalar(one), this.sKnown[one] ?? 0];
    this.setScalar(one, this.scalar(other), this.sKnown[other]);
    this.setScalar(other, value, known);
    this.setScalar(slot.scc, this.scalar(one) === 0 ? 0 : 1, this.sKnown[one]);
  }

  setPair(index: number, low: number, high: number, known: number): void {
    this.setScalar(index, low, known);
    this.setScalar(index + 1, high, known);
  }

  scalar(index: number): number {
    return this.s[index] ?? 0;
  }

  isKnown(index: number, count = 1): boolean {
    for (let i = 0; i < count; i++) if (this.sKnown[index + i] !== 1) return false;
    return true;
  }

  get execLow(): number {
    return this.scalar(slot.exec);
  }

  get execHigh(): number {
    return this.scalar(slot.exec + 1);
  }

  get activeLanes(): number {
    return countBits(this.execLow) + countBits(this.execHigh);
  }

  /** Marks the active lanes of vector registers unknown. */
  forgetVector(index: number, count: number): void {
    for (let r = index; r < index + count; r++) {
      this.vKnownLow[r] = (this.vKnownLow[r] ?? 0) & ~this.execLow;
      this.vKnownHigh[r] = (this.vKnownHigh[r] ?? 0) & ~this.execHigh;
      this.vShapeLow[r] = (this.vShapeLow[r] ?? 0) & ~this.execLow;
      this.vShapeHigh[r] = (this.vShapeHigh[r] ?? 0) & ~this.execHigh;
    }
  }

  /** What is known of the active lanes of a register, and what but for a shared part. */
  setKnown(index: number, known: readonly [low: number, high: number], shape = known): void {
    const [low, high] = [this.execLow, this.execHigh];
    this.vKnownLow[index] = ((this.vKnownLow[index] ?? 0) & ~low) | (known[0] & low);
    this.vKnownHigh[index] = ((this.vKnownHigh[index] ?? 0) & ~high) | (known[1] & high);
    this.vShapeLow[index] = ((this.vShapeLow[index] ?? 0) & ~low) | (shape[0] & low);
    this.vShapeHigh[index] = ((this.vShapeHigh[index] ?? 0) & ~high) | (shape[1] & high);
  }

  saveRegister(address: number, index: number): void {
    const values = this.v.slice(index * lanes, (index + 1) * lanes);
    const [knownLow = 0, knownHigh = 0] = [this.vKnownLow[index], this.vKnownHigh[index]];
    this.scratch.set(address, { values, knownLow, knownHigh });
  }

  /** Brings back the active lanes of a register. */
  restoreRegister(address: number, index: number): void {
    const saved = this.scratch.get(address);
    this.forgetVector(index, 1);
    if (saved === undefined) return;
    for (let lane = 0; lane < lanes; lane++)
      if (isSet(this.execLow, this.execHigh, lane)) this.v[index * lanes + lane] = saved.values[lane] ?? 0;
    this.setKnown(index, [saved.knownLow, saved.knownHigh]);
  }

  forgetScalar(index: number, count: number): void {
    for (let i = index; i < index + count; i++) this.setScalar(i, 0, 0);
  }
}

export const isSet = (low: number, high: number, lane: number) =>
  ((lane < 32 ? low >>> lane : high >>> (lane - 32)) & 1) === 1;

export function countBits(bits: number): number {
  let value = bits - ((bits >>> 1) & 0x55555555);
  value = (value & 0x33333333) + ((value >>> 2) & 0x33333333);
  return (((value + (value >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}
