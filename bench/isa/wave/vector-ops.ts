/** @file Vector instructions, as far as addresses, lane numbers and conditions need them. All other results are unknown. */
import type { Decoded } from "./decode.ts";
import { type Place, slot } from "./registers.ts";
import { type Action, comparisons } from "./scalar-ops.ts";
import { isSet, lanes, type WaveState } from "./state.ts";

type Integer = (a: number, b: number, c: number) => number;

const shift = (a: number) => a & 31;
const view = new DataView(new ArrayBuffer(4));
const asFloat = (bits: number) => {
  view.setInt32(0, bits);
  return view.getFloat32(0);
};
const asBits = (value: number) => {
  view.setFloat32(0, value);
  return view.getInt32(0);
};

const integers: Readonly<Record<string, Integer>> = {
  v_mov_b32: (a) => a,
  v_not_b32: (a) => ~a,
  v_add_nc_u32: (a, b) => a + b,
  v_sub_nc_u32: (a, b) => a - b,
  v_subrev_nc_u32: (a, b) => b - a,
  v_add3_u32: (a, b, c) => a + b + c,
  v_add_lshl_u32: (a, b, c) => (a + b) << shift(c),
  v_lshl_add_u32: (a, b, c) => (a << shift(b)) + c,
  v_lshl_or_b32: (a, b, c) => (a << shift(b)) | c,
  v_and_b32: (a, b) => a & b,
  v_or_b32: (a, b) => a | b,
  v_xor_b32: (a, b) => a ^ b,
  v_xor3_b32: (a, b, c) => a ^ b ^ c,
  v_or3_b32: (a, b, c) => a | b | c,
  v_and_or_b32: (a, b, c) => (a & b) | c,
  v_xad_u32: (a, b, c) => (a ^ b) + c,
  v_bfi_b32: (a, b, c) => (a & b) | (~a & c),
  v_bfe_u32: (a, b, c) => (a >>> shift(b)) & ((1 << shift(c)) - 1),
  v_lshlrev_b32: (a, b) => b << shift(a),
  v_lshrrev_b32: (a, b) => b >>> shift(a),
  v_ashrrev_i32: (a, b) => b >> shift(a),
  v_min_u32: (a, b) => Math.min(a >>> 0, b >>> 0),
  v_max_u32: (a, b) => Math.max(a >>> 0, b >>> 0),
  v_min_i32: (a, b) => Math.min(a, b),
  v_max_i32: (a, b) => Math.max(a, b),
  v_med3_u32: (a, b, c) => [a >>> 0, b >>> 0, c >>> 0].sort((x, y) => x - y)[1] ?? 0,
  v_mul_lo_u32: (a, b) => Math.imul(a, b),
  v_mul_hi_u32: (a, b) => Number((BigInt(a >>> 0) * BigInt(b >>> 0)) >> 32n),
  v_mul_u32_u24: (a, b) => Math.imul(a & 0xffffff, b & 0xffffff),
  v_mad_u32_u24: (a, b, c) => Math.imul(a & 0xffffff, b & 0xffffff) + c,
  // The compiler divides integers by way of a reciprocal, so these are known where their operands are.
  v_cvt_f32_u32: (a) => asBits(a >>> 0),
  v_cvt_u32_f32: (a) => Math.min(Math.max(Math.trunc(asFloat(a)), 0), 0xffffffff),
  v_rcp_f32: (a) => asBits(1 / asFloat(a)),
  v_rcp_iflag_f32: (a) => asBits(1 / asFloat(a)),
  v_mul_f32: (a, b) => asBits(asFloat(a) * asFloat(b)),
};

/** What an instruction does to the registers; undefined where it is not modelled: its results are then unknown. */
export function vectorAction(decoded: Decoded): Action | undefined {
  const {
    instruction: { op, operands, modifiers },
    reads,
    writes,
  } = decoded;
  // They take operands from other lanes, or parts of them (DPP, SDWA).
  if (modifiers.length > 0) return undefined;
  // What an operand's sign becomes matters only to floating-point numbers.
  if (reads.some(({ isModified }) => isModified) && !op.startsWith("v_cmp")) return undefined;
  const compare = /^v_cmp(x?)_(\w\w)_([ui])32$/.exec(op);
  if (compare !== null) return comparison(compare[2] ?? "", compare[3] === "u", compare[1] === "x", reads, writes);
  if (op.startsWith("v_cmp")) return unknownComparison(op.startsWith("v_cmpx"), writes);
  const [to] = writes;
  const [a, b, c] = reads;
  if (to === undefined || a === undefined) return undefined;
  if (op === "v_mbcnt_lo_u32_b32" || op === "v_mbcnt_hi_u32_b32") return laneCount(op.includes("_lo_"), to, a, b);
  if (op === "v_readfirstlane_b32") return readFirst(to, a);
  if (op === "v_readlane_b32" && b !== undefined) return readLane(to, a, b);
  if (op === "v_writelane_b32" && b !== undefined) return writeLane(to, a, b);
  if (op === "v_cndmask_b32" && b !== undefined && c !== undefined) return select(to, a, b, c);
  // The compiler zeroes a pair so.
  if (op === "v_lshrrev_b64" && operands[1] === "0" && operands[2] === "0")
    return (wave) => {
      for (let i = 0; i < to.count; i++) write(wave, to.index + i, [], () => 0);
    };
  if (op === "v_swap_b32" && b !== undefined) return swap(a, b);
  const compute = integers[op];
  return compute === undefined ? undefined : (wave) => write(wave, to.index, reads, compute);
}

function swap({ index: one }: Place, { index: other }: Place): Action {
  return (wave) => {
    const factsOf = (index: number) => ({
      values: wave.v.slice(index * lanes, (index + 1) * lanes),
      known: [wave.vKnownLow[index] ?? 0, wave.vKnownHigh[index] ?? 0] as const,
      shape: [wave.vShapeLow[index] ?? 0, wave.vShapeHigh[index] ?? 0] as const,
    });
    const [first, second] = [factsOf(one), factsOf(other)];
    for (const [index, { values, known, shape }] of [
      [one, second],
      [other, first],
    ] as const) {
      for (let lane = 0; lane < lanes; lane++)
        if (isSet(wave.execLow, wave.execHigh, lane)) wave.v[index * lanes + lane] = values[lane] ?? 0;
      wave.setKnown(index, known, shape);
    }
  };
}

/** Sets the active lanes of a register to a function of its operands, where these are known. */
function write(wave: WaveState, to: number, operands: readonly Place[], compute: Integer): void {
  const [execLow, execHigh] = [wave.execLow, wave.execHigh];
  let [low, high, shapeLow, shapeHigh] = [execLow, execHigh, execLow, execHigh];
  for (const { kind, index } of operands) {
    if (kind === "vector") {
      low &= wave.vKnownLow[index] ?? 0;
      high &= wave.vKnownHigh[index] ?? 0;
      shapeLow &= wave.vShapeLow[index] ?? 0;
      shapeHigh &= wave.vShapeHigh[index] ?? 0;
    } else if (!wave.isKnown(index)) low = high = 0;
  }
  const [a, b, c] = operands;
  if ((shapeLow | shapeHigh) !== 0)
    for (let lane = 0; lane < lanes; lane++)
      if (isSet(shapeLow, shapeHigh, lane))
        wave.v[to * lanes + lane] = compute(
          laneValue(wave, a, lane),
          laneValue(wave, b, lane),
          laneValue(wave, c, lane),
        );
  wave.setKnown(to, [low, high], [shapeLow, shapeHigh]);
}

export function laneValue(wave: WaveState, place: Place | undefined, lane: number): number {
  if (place === undefined) return 0;
  return (place.kind === "vector" ? wave.v[place.index * lanes + lane] : wave.s[place.index]) ?? 0;
}

function knownLanes(wave: WaveState, place: Place): readonly [low: number, high: number] {
  if (place.kind === "vector") return [wave.vKnownLow[place.index] ?? 0, wave.vKnownHigh[place.index] ?? 0];
  return wave.isKnown(place.index) ? [-1, -1] : [0, 0];
}

/** Where an operand is data, the comparison holds by convention, and the mask is unknown. */
function comparison(
  name: string,
  isUnsigned: boolean,
  writesExec: boolean,
  [a, b]: readonly Place[],
  [to]: readonly Place[],
): Action | undefined {
  const holds = comparisons[name];
  if (holds === undefined || a === undefined || b === undefined) return undefined;
  return (wave) => {
    const [execLow, execHigh] = [wave.execLow, wave.execHigh];
    const [aLow, aHigh] = knownLanes(wave, a);
    const [bLow, bHigh] = knownLanes(wave, b);
    const [low, high] = [aLow & bLow, aHigh & bHigh];
    const result = [execLow & ~low, execHigh & ~high];
    for (let lane = 0; lane < lanes; lane++) {
      if (!isSet(execLow & low, execHigh & high, lane)) continue;
      const [x, y] = [laneValue(wave, a, lane), laneValue(wave, b, lane)];
      if (isUnsigned ? holds(x >>> 0, y >>> 0) : holds(x, y))
        result[lane >> 5] = (result[lane >> 5] ?? 0) | (1 << (lane & 31));
    }
    const isKnown = ((execLow & ~low) | (execHigh & ~high)) === 0 && wave.isKnown(slot.exec);
    wave.setPair(writesExec ? slot.exec : (to?.index ?? slot.vcc), result[0] ?? 0, result[1] ?? 0, isKnown ? 1 : 0);
  };
}

function unknownComparison(writesExec: boolean, [to]: readonly Place[]): Action {
  return (wave) => wave.setPair(writesExec ? slot.exec : (to?.index ?? slot.vcc), wave.execLow, wave.execHigh, 0);
}

/** Counts the bits of a mask below the own lane, in one half of the wave, and adds b. */
function laneCount(isLow: boolean, to: Place, mask: Place, b: Place | undefined): Action {
  return (wave) => {
    const bits = wave.scalar(mask.index);
    const [execLow, execHigh] = [wave.execLow, wave.execHigh];
    const isKnown = wave.isKnown(mask.index);
    const counts = new Int32Array(lanes);
    for (let lane = 0, count = 0; lane < lanes; lane++) {
      counts[lane] = count;
      const inHalf = isLow ? lane < 32 : lane >= 32;
      if (inHalf && (bits >>> (lane & 31)) & 1) count++;
    }
    if (!isKnown) {
      wave.forgetVector(to.index, 1);
      return;
    }
    const added: Place[] = b === undefined ? [] : [b];
    const [low, high] = b === undefined ? [-1, -1] : knownLanes(wave, b);
    for (let lane = 0; lane < lanes; lane++)
      if (isSet(execLow, execHigh, lane))
        wave.v[to.index * lanes + lane] = (counts[lane] ?? 0) + laneValue(wave, added[0], lane);
    wave.setKnown(to.index, [low, high]);
  };
}

function readFirst(to: Place, from: Place): Action {
  return (wave) => {
    const [execLow, execHigh] = [wave.execLow, wave.execHigh];
    const first = execLow !== 0 ? 31 - Math.clz32(execLow & -execLow) : 63 - Math.clz32(execHigh & -execHigh);
    const [low, high] = knownLanes(wave, from);
    const isKnown = first >= 0 && first < lanes && isSet(low, high, first);
    wave.setScalar(to.index, isKnown ? laneValue(wave, from, first) : 0, isKnown ? 1 : 0);
  };
}

/** The compiler puts scalar registers aside in lanes of a vector register; both ignore which lanes are active. */
function readLane(to: Place, from: Place, lane: Place): Action {
  return (wave) => {
    const at = wave.scalar(lane.index) & (lanes - 1);
    const [low, high] = knownLanes(wave, from);
    const isKnown = wave.isKnown(lane.index) && isSet(low, high, at);
    wave.setScalar(to.index, isKnown ? laneValue(wave, from, at) : 0, isKnown ? 1 : 0);
  };
}

function writeLane(to: Place, from: Place, lane: Place): Action {
  return (wave) => {
    if (!wave.isKnown(lane.index)) {
      wave.vKnownLow[to.index] = wave.vKnownHigh[to.index] = 0;
      wave.vShapeLow[to.index] = wave.vShapeHigh[to.index] = 0;
      return;
    }
    const at = wave.scalar(lane.index) & (lanes - 1);
    const known = at < 32 ? wave.vKnownLow : wave.vKnownHigh;
    const bit = 1 << (at & 31);
    const others = (known[to.index] ?? 0) & ~bit;
    known[to.index] = wave.isKnown(from.index) ? others | bit : others;
    const shape = at < 32 ? wave.vShapeLow : wave.vShapeHigh;
    shape[to.index] = (shape[to.index] ?? 0) | bit;
    wave.v[to.index * lanes + at] = wave.scalar(from.index);
  };
}

/** b where the mask has the lane, else a. */
function select(to: Place, a: Place, b: Place, mask: Place): Action {
  return (wave) => {
    if (!wave.isKnown(mask.index, mask.count)) {
      wave.forgetVector(to.index, 1);
      return;
    }
    const [maskLow, maskHigh] = [wave.scalar(mask.index), wave.scalar(mask.index + 1)];
    const [aLow, aHigh] = knownLanes(wave, a);
    const [bLow, bHigh] = knownLanes(wave, b);
    const [execLow, execHigh] = [wave.execLow, wave.execHigh];
    for (let lane = 0; lane < lanes; lane++)
      if (isSet(execLow, execHigh, lane))
        wave.v[to.index * lanes + lane] = laneValue(wave, isSet(maskLow, maskHigh, lane) ? b : a, lane);
    const low = (maskLow & bLow) | (~maskLow & aLow);
    const high = (maskHigh & bHigh) | (~maskHigh & aHigh);
    wave.setKnown(to.index, [low, high]);
  };
}
