/** @file Scalar instructions: integers, conditions and masks of lanes. */
import type { Decoded } from "./decode.ts";
import { type Place, slot } from "./registers.ts";
import { countBits, type WaveState } from "./state.ts";

export type Action = (wave: WaveState) => void;

const mulHigh = (a: number, b: number) => Number((BigInt(a >>> 0) * BigInt(b >>> 0)) >> 32n) | 0;
const mulHighSigned = (a: number, b: number) => Number((BigInt(a) * BigInt(b)) >> 32n) | 0;
/** The signed constants of 16 bits that some instructions have; the disassembly shows them without their sign. */
const short = (a: number) => (a << 16) >> 16;
const unsigned = (a: number) => a >>> 0;

/** Result, and SCC afterwards; undefined where SCC stays. */
type Outcome = readonly [value: number, scc: number | undefined];
const nonZero = (value: number): Outcome => [value, value === 0 ? 0 : 1];
const plain = (value: number): Outcome => [value, undefined];

const binary: Readonly<Record<string, (a: number, b: number, scc: number) => Outcome>> = {
  s_add_u32: (a, b) => [(a + b) | 0, unsigned(a) + unsigned(b) > 0xffffffff ? 1 : 0],
  s_addc_u32: (a, b, scc) => [(a + b + scc) | 0, unsigned(a) + unsigned(b) + scc > 0xffffffff ? 1 : 0],
  s_sub_u32: (a, b) => [(a - b) | 0, unsigned(a) < unsigned(b) ? 1 : 0],
  s_subb_u32: (a, b, scc) => [(a - b - scc) | 0, unsigned(a) < unsigned(b) + scc ? 1 : 0],
  s_add_i32: (a, b) => [(a + b) | 0, ((a + b) | 0) === a + b ? 0 : 1],
  s_addk_i32: (a, b) => [(a + short(b)) | 0, ((a + short(b)) | 0) === a + short(b) ? 0 : 1],
  s_sub_i32: (a, b) => [(a - b) | 0, ((a - b) | 0) === a - b ? 0 : 1],
  s_mul_i32: (a, b) => plain(Math.imul(a, b)),
  s_mulk_i32: (a, b) => plain(Math.imul(a, short(b))),
  s_mul_hi_u32: (a, b) => plain(mulHigh(a, b)),
  s_mul_hi_i32: (a, b) => plain(mulHighSigned(a, b)),
  s_min_u32: (a, b) => (unsigned(a) < unsigned(b) ? [a, 1] : [b, 0]),
  s_max_u32: (a, b) => (unsigned(a) > unsigned(b) ? [a, 1] : [b, 0]),
  s_min_i32: (a, b) => (a < b ? [a, 1] : [b, 0]),
  s_max_i32: (a, b) => (a > b ? [a, 1] : [b, 0]),
  s_and_b32: (a, b) => nonZero(a & b),
  s_or_b32: (a, b) => nonZero(a | b),
  s_xor_b32: (a, b) => nonZero(a ^ b),
  s_andn2_b32: (a, b) => nonZero(a & ~b),
  s_orn2_b32: (a, b) => nonZero(a | ~b),
  s_nand_b32: (a, b) => nonZero(~(a & b)),
  s_nor_b32: (a, b) => nonZero(~(a | b)),
  s_xnor_b32: (a, b) => nonZero(~(a ^ b)),
  s_lshl_b32: (a, b) => nonZero(a << (b & 31)),
  s_lshr_b32: (a, b) => nonZero((a >>> (b & 31)) | 0),
  s_ashr_i32: (a, b) => nonZero(a >> (b & 31)),
  s_lshl1_add_u32: (a, b) => [((a << 1) + b) | 0, unsigned(a) * 2 + unsigned(b) > 0xffffffff ? 1 : 0],
  s_lshl2_add_u32: (a, b) => [((a << 2) + b) | 0, unsigned(a) * 4 + unsigned(b) > 0xffffffff ? 1 : 0],
  s_lshl3_add_u32: (a, b) => [((a << 3) + b) | 0, unsigned(a) * 8 + unsigned(b) > 0xffffffff ? 1 : 0],
  s_lshl4_add_u32: (a, b) => [((a << 4) + b) | 0, unsigned(a) * 16 + unsigned(b) > 0xffffffff ? 1 : 0],
  s_bfm_b32: (a, b) => plain(((1 << (a & 31)) - 1) << (b & 31)),
  s_bfe_u32: (a, b) => nonZero(extract(a, b)),
  s_pack_ll_b32_b16: (a, b) => plain((a & 0xffff) | (b << 16)),
  s_cselect_b32: (a, b, scc) => plain(scc === 1 ? a : b),
};

function extract(value: number, field: number): number {
  const width = (field >>> 16) & 0x7f;
  const moved = value >>> (field & 31);
  return (width >= 32 ? moved : moved & ((1 << width) - 1)) | 0;
}

const unary: Readonly<Record<string, (a: number) => Outcome>> = {
  s_mov_b32: plain,
  s_movk_i32: (a) => plain(short(a)),
  s_not_b32: (a) => nonZero(~a),
  s_abs_i32: (a) => nonZero(Math.abs(a) | 0),
  s_brev_b32: (a) => plain(reversed(a)),
  s_ff1_i32_b32: (a) => plain(a === 0 ? -1 : 31 - Math.clz32(a & -a)),
  s_flbit_i32_b32: (a) => plain(a === 0 ? -1 : Math.clz32(a)),
  s_bcnt1_i32_b32: (a) => nonZero(countBits(a)),
  s_sext_i32_i16: (a) => plain((a << 16) >> 16),
  s_sext_i32_i8: (a) => plain((a << 24) >> 24),
};

function reversed(a: number): number {
  let bits = 0;
  for (let i = 0; i < 32; i++) if ((a >>> i) & 1) bits |= 1 << (31 - i);
  return bits | 0;
}

const masks: Readonly<Record<string, (a: number, b: number) => number>> = {
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  andn2: (a, b) => a & ~b,
  orn2: (a, b) => a | ~b,
  nand: (a, b) => ~(a & b),
  nor: (a, b) => ~(a | b),
  xnor: (a, b) => ~(a ^ b),
};

export const comparisons: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  eq: (a, b) => a === b,
  lg: (a, b) => a !== b,
  ne: (a, b) => a !== b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
};

/** What an instruction does to the registers; undefined where it is not modelled: its results are then unknown. */
export function scalarAction({ instruction: { op }, reads, writes }: Decoded): Action | undefined {
  const [a, b] = reads;
  const [to] = writes;
  if (a === undefined) return undefined;
  const compare = /^s_cmp(k?)_(\w\w)_([ui])32$/.exec(op);
  if (compare !== null && b !== undefined) {
    const [, isShort, name = "", sign] = compare;
    return comparison(name, sign === "u", a, b, isShort !== "" && sign === "i");
  }
  if (to === undefined) return undefined;
  const one = unary[op];
  if (one !== undefined) return (wave) => assign(wave, to, one(wave.scalar(a.index)), wave.isKnown(a.index));
  const two = binary[op];
  if (two !== undefined && b !== undefined) {
    const readsScc = /addc|subb|cselect/.test(op);
    return (wave) => {
      const known = wave.isKnown(a.index) && wave.isKnown(b.index) && (!readsScc || wave.isKnown(slot.scc));
      assign(wave, to, two(wave.scalar(a.index), wave.scalar(b.index), wave.scalar(slot.scc)), known);
    };
  }
  return wideAction(op, to, a, b);
}

function assign(wave: WaveState, to: Place, [value, scc]: Outcome, isKnown: boolean): void {
  wave.setScalar(to.index, value, isKnown ? 1 : 0);
  if (scc !== undefined) wave.setScalar(slot.scc, scc, isKnown ? 1 : 0);
}

/** A comparison of data holds, by convention. */
function comparison(name: string, isUnsigned: boolean, a: Place, b: Place, isShort: boolean): Action | undefined {
  const holds = comparisons[name];
  if (holds === undefined) return undefined;
  return (wave) => {
    const isKnown = wave.isKnown(a.index) && wave.isKnown(b.index);
    const [x, y] = [wave.scalar(a.index), isShort ? short(wave.scalar(b.index)) : wave.scalar(b.index)];
    const result = !isKnown || (isUnsigned ? holds(x >>> 0, y >>> 0) : holds(x, y));
    wave.setScalar(slot.scc, result ? 1 : 0, isKnown ? 1 : 0);
  };
}

/** Masks of lanes: 64 bits. */
function wideAction(op: string, to: Place, a: Place, b: Place | undefined): Action | undefined {
  const high = (wave: WaveState, place: Place) => {
    if (place.count > 1) return wave.scalar(place.index + 1);
    return place.isLiteral ? 0 : wave.scalar(place.index) >> 31;
  };
  const both = (wave: WaveState, place: Place) => (wave.isKnown(place.index, Math.min(place.count, 2)) ? 1 : 0);
  if (op === "s_mov_b64") return (wave) => wave.setPair(to.index, wave.scalar(a.index), high(wave, a), both(wave, a));
  if (op === "s_not_b64") return (wave) => wave.setPair(to.index, ~wave.scalar(a.index), ~high(wave, a), both(wave, a));
  if (op === "s_cselect_b64" && b !== undefined)
    return (wave) => {
      const chosen = wave.scalar(slot.scc) === 1 ? a : b;
      const known = both(wave, chosen) & (wave.isKnown(slot.scc) ? 1 : 0);
      wave.setPair(to.index, wave.scalar(chosen.index), high(wave, chosen), known);
    };
  if (op === "s_bcnt1_i32_b64")
    return (wave) => {
      const bits = countBits(wave.scalar(a.index)) + countBits(high(wave, a));
      assign(wave, to, nonZero(bits), both(wave, a) === 1);
    };
  const name = /^s_(\w+?)(_saveexec)?_b64$/.exec(op);
  const combine = masks[name?.[1] ?? ""];
  if (name === null || combine === undefined) return undefined;
  if (name[2] !== undefined)
    return (wave) => {
      const [low, top, known] = [wave.execLow, wave.execHigh, wave.isKnown(slot.exec) ? 1 : 0];
      const fresh = [combine(wave.scalar(a.index), low), combine(high(wave, a), top)] as const;
      const freshKnown = known & both(wave, a);
      wave.setPair(to.index, low, top, known);
      wave.setPair(slot.exec, fresh[0], fresh[1], freshKnown);
      wave.setScalar(slot.scc, (fresh[0] | fresh[1]) === 0 ? 0 : 1, freshKnown);
    };
  if (b === undefined) return undefined;
  return (wave) => {
    const low = combine(wave.scalar(a.index), wave.scalar(b.index));
    const top = combine(high(wave, a), high(wave, b));
    const known = both(wave, a) & both(wave, b);
    wave.setPair(to.index, low, top, known);
    wave.setScalar(slot.scc, (low | top) === 0 ? 0 : 1, known);
  };
}
