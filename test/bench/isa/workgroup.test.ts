/** @file `npm run bench:isa` runs machine code: trips of loops and counts are those that the code makes. */
import { expect, test } from "vitest";
import { hotBlockOf, loopsOf } from "../../../bench/isa/hot.ts";
import { listingOf } from "../../../bench/isa/listing.ts";
import { rdna2 } from "../../../bench/isa/rdna2.ts";
import type { BoundBuffer } from "../../../bench/isa/wave/memory-ops.ts";
import { codeOf, KernelFault, runWorkgroup } from "../../../bench/isa/wave/workgroup.ts";
import { recorded, run, storage, uniform, weights } from "./code.ts";

/** The forward loop of an RNN of 64 units at batch 4 and 32 steps, run up to step `end`. */
function recordedRun(end: number) {
  const code = codeOf(listingOf(`\n${recorded}`)?.blocks ?? []);
  const steps: BoundBuffer = { words: [0, end], isDynamic: true, isWeights: false };
  const buffers = [uniform(4, 4096, 12288, 8448, 4352), steps, weights, storage, storage, storage];
  return { code, ...runWorkgroup(code, { lanes: 64, group: 1, groups: 4, buffers, level: "l1", chip: rdna2 }) };
}

test("a recorded RNN of 64 units: a step more is 32 turns of two products each", () => {
  const [short, long] = [recordedRun(2), recordedRun(3)];
  const of = (name: keyof typeof long.counts) => long.counts[name] - short.counts[name];
  // The product over 64 units, and the polynomials of tanh.
  expect(of("fma")).toBe(64 + 14);
  expect(of("loads")).toBe(64 + 2);
  expect(of("localReads")).toBe(64 + 1);
  expect(of("stores")).toBe(2);
  // The product's counter against endless loops, and that of the loop over lanes.
  expect(of("guards")).toBe(32 + 1);
  expect(of("weightLoads")).toBe(64 * 64 + 64);
  expect(of("assumed")).toBe(0);
  const { code } = long;
  const trips = loopsOf(code, long).map(({ block, depth, entries, turns, fma }) => [block, depth, entries, turns, fma]);
  expect(trips).toEqual([
    // Over time, with the product inside.
    ["BB43", 0, 1, 3, 78],
    // Final states and initial ones over lanes, and the clearing of 512 bytes that no kernel needs.
    ["BB65", 0, 1, 1, 0],
    ["BB12", 0, 1, 1, 0],
    ["BB1", 0, 1, 1, 0],
    ["BB50", 1, 3, 32, 2],
  ]);
  expect(hotBlockOf(code, long)).toMatchObject({ fma: 2, memory: 2, local: 2, runs: 96 });
});

test("lanes that are not there do nothing", () => {
  const of = (lanes: number) => run("v_add_f32_e32 v1, v2, v3; s_endpgm", { lanes }).counts.flops;
  expect([of(1), of(32), of(48), of(64), of(100)]).toEqual([1, 32, 48, 64, 100]);
});

/** Runs code that adds to a counter s20 as often as it likes, and returns how often the last block ran. */
const turns = (body: string, launch = {}) => {
  const { code, blockRuns } = run(`${body}\n BB90:\n s_endpgm`, launch);
  return blockRuns[code.names.indexOf("BB2")];
};

test("a loop over a uniform has its trips", () => {
  const text = `s_load_dwordx4 s[4:7], s[2:3], null; s_buffer_load_dword s8, s[4:7], 0x4; s_mov_b32 s9, 0
    BB1:\n s_cmp_ge_u32 s9, s8; s_cbranch_scc1 BB90
    BB2:\n s_add_u32 s9, s9, 3; s_branch BB1`;
  expect(turns(text, { buffers: [uniform(99, 10)] })).toBe(4);
  expect(turns(text, { buffers: [uniform(99, 0)] })).toBe(0);
});

test("a loop over lanes has those of the wave with most", () => {
  const text = `v_mov_b32_e32 v1, v0
    BB1:\n s_mov_b64 s[4:5], exec; v_cmpx_le_u32_e32 0x90, v1
    BB3:\n s_andn2_b64 s[4:5], s[4:5], exec; s_cbranch_scc0 BB90
    BB2:\n s_mov_b64 exec, s[4:5]; v_add_nc_u32_e32 v1, 64, v1; s_branch BB1`;
  // Invocations 0 to 15 are below 144 three times.
  expect(turns(text)).toBe(3);
});

test("constants of 16 bits have a sign, literals of 64 bits have none, short constants have theirs", () => {
  expect(turns("s_movk_i32 s4, 0xffff; s_cmp_lt_i32 s4, 0; s_cbranch_scc0 BB90\n BB2:\n s_nop 0")).toBe(1);
  expect(
    turns("s_mov_b32 s4, 5; s_addk_i32 s4, 0xfffb; s_cmp_eq_i32 s4, 0; s_cbranch_scc0 BB90\n BB2:\n s_nop 0"),
  ).toBe(1);
  expect(turns("s_mov_b64 s[4:5], 0xffffffff; s_cmp_eq_i32 s5, 0; s_cbranch_scc0 BB90\n BB2:\n s_nop 0")).toBe(1);
  expect(turns("s_mov_b64 s[4:5], -1; s_cmp_eq_i32 s5, -1; s_cbranch_scc0 BB90\n BB2:\n s_nop 0")).toBe(1);
});

test("a division by way of a reciprocal is known", () => {
  const text = `v_cvt_f32_u32_e32 v1, s3; v_rcp_f32_e32 v1, v1; v_mul_f32_e32 v1, 0x4f7ffffe, v1; v_cvt_u32_f32_e32 v1, v1
    v_readfirstlane_b32 s4, v1; s_mul_hi_u32 s4, s4, 22; s_cmp_eq_i32 s4, 3; s_cbranch_scc0 BB90\n BB2:\n s_nop 0`;
  expect(turns(text, { groups: 7 })).toBe(1);
  expect(turns(text, { groups: 9 })).toBe(0);
});

const load =
  "s_load_dwordx4 s[4:7], s[2:3], null; v_lshlrev_b32_e32 v1, 2, v0; buffer_load_dword v2, v1, s[4:7], 0 offen";

test("a condition on data holds, and is counted as assumed", () => {
  const { counts } = run(
    `${load}; v_cmp_eq_i32_e32 vcc, 7, v2; s_and_saveexec_b64 s[8:9], vcc; s_cbranch_execz BB2
     BB1:\n v_fmac_f32_e32 v3, v3, v3
     BB2:\n s_mov_b64 exec, s[8:9]; v_add_f32_e32 v3, v3, v3; s_endpgm`,
    { buffers: [storage] },
  );
  expect(counts).toMatchObject({ fma: 1, assumed: 1, flops: 64 * 2 + 64 });
});

test("a condition on a scalar that is data holds too", () => {
  const text = `s_load_dwordx4 s[4:7], s[2:3], null; s_buffer_load_dword s8, s[4:7], null; s_cmp_eq_i32 s8, 7; s_cbranch_scc0 BB2
    BB1:\n v_fmac_f32_e32 v3, v3, v3\n BB2:\n s_endpgm`;
  expect(run(text, { buffers: [storage] }).counts).toMatchObject({ fma: 1, assumed: 1 });
  expect(run(text, { buffers: [uniform(6)] }).counts).toMatchObject({ fma: 0, assumed: 0 });
});

test("what is computed from data is data", () => {
  const text = `s_load_dwordx4 s[4:7], s[2:3], null; s_buffer_load_dword s8, s[4:7], null; v_add_nc_u32_e32 v1, s8, v0
    BB1:\n v_cmp_gt_u32_e32 vcc, 5, v1; s_cbranch_vccz BB3\n BB2:\n v_mov_b32_e32 v1, 9; s_branch BB1\n BB3:\n s_endpgm`;
  expect(() => run(text, { buffers: [storage] })).toThrow("data decides how often the loop with block BB1 runs");
  expect(() => run(text, { buffers: [uniform(0)] })).not.toThrow();
});

test("data that decides how often a loop runs is a fault, and so is a loop that does not end", () => {
  const text = `${load}\n BB1:\n v_cmp_gt_u32_e32 vcc, 5, v2; s_cbranch_vccz BB3\n BB2:\n s_branch BB1\n BB3:\n s_endpgm`;
  expect(() => run(text, { buffers: [storage] })).toThrow(
    new KernelFault("data decides how often the loop with block BB1 runs"),
  );
  expect(() => run("s_nop 0")).toThrow("the disassembly has no end");
  expect(() => run("s_and_saveexec_b32 s0, vcc_lo; s_endpgm")).toThrow("waves of 32");
});

test("an instruction that is not modelled makes what it writes unknown", () => {
  const text = (op: string) =>
    `s_mov_b32 s4, 1; ${op}\n BB1:\n s_cmp_eq_i32 s4, 1; s_cbranch_scc1 BB3\n BB2:\n s_branch BB1\n BB3:\n s_endpgm`;
  expect(() => run(text("s_nop 0"))).not.toThrow();
  expect(() => run(text("s_quadmask_b32 s4, s4"))).toThrow(KernelFault);
});

test("registers that were put aside come back, scalar ones in lanes and vector ones in memory", () => {
  const spilled = `s_mov_b32 s8, 3; v_writelane_b32 v9, s8, 40; s_mov_b32 s8, 0; v_readlane_b32 s9, v9, 40
    v_add_nc_u32_e32 v1, 1, v0; s_movk_i32 s15, 0x100; scratch_store_dword off, v1, s15 offset:-16; v_mov_b32_e32 v1, 0
    scratch_load_dword v2, off, s15 offset:-16; v_readfirstlane_b32 s10, v2; s_add_u32 s9, s9, s10; s_cmp_eq_i32 s9, 4`;
  expect(turns(`${spilled}; s_cbranch_scc0 BB90\n BB2:\n s_nop 0`)).toBe(1);
  expect(run(`${spilled}; s_endpgm`).counts).toMatchObject({ loads: 1, stores: 1, loadLines: 2, assumed: 0 });
});

test("what lanes fetch from each other is data", () => {
  const text = (how: string) =>
    `v_mov_b32${how}; v_readfirstlane_b32 s4, v1\n BB1:\n s_cmp_eq_i32 s4, 0; s_cbranch_scc1 BB3\n BB2:\n s_branch BB1\n BB3:\n s_endpgm`;
  expect(() => run(text("_e32 v1, v0"))).not.toThrow();
  expect(() => run(text("_dpp v1, v0 quad_perm:[1,0,3,2] row_mask:0xf"))).toThrow(KernelFault);
});

/** Lines and bank cycles of one access whose lanes are `bytes` apart. */
const access = (bytes: number, text: string, lanes = 64) =>
  run(`s_load_dwordx4 s[4:7], s[2:3], null; v_mul_u32_u24_e32 v1, ${bytes}, v0; ${text}; s_endpgm`, {
    ...{ lanes, buffers: [weights] },
  }).counts;

test("a load takes as many lines as its lanes touch", () => {
  const lines = (bytes: number, lanes?: number) =>
    access(bytes, "buffer_load_dword v2, v1, s[4:7], 0 offen", lanes).loadLines;
  expect([lines(0), lines(4), lines(8), lines(128), lines(512)]).toEqual([1, 2, 4, 64, 64]);
  expect(lines(4, 16)).toBe(1);
  expect(access(4, "buffer_load_dword v2, v1, s[4:7], 0 offen offset:64").loadLines).toBe(3);
  expect(access(16, "buffer_load_dwordx4 v[4:7], v1, s[4:7], 0 offen")).toMatchObject({
    ...{ loads: 1, loadWords: 4, loadLines: 8, weightLoads: 256, l0Cycles: 8 },
  });
});

test("an index that all lanes share need not be known to tell the lines, lanes' own indices must be", () => {
  const lines = (row: string) =>
    run(
      `s_load_dwordx4 s[4:7], s[2:3], null; s_mov_b32 s9, 0; s_buffer_load_dword s8, s[4:7], null; ${row}
       v_lshlrev_b32_e32 v1, 2, v1; buffer_load_dword v2, v1, s[4:7], 0 offen; s_endpgm`,
      { buffers: [storage] },
    ).counts.loadLines;
  expect(lines("s_lshl_b32 s8, s8, 7; v_add_nc_u32_e32 v1, s8, v0")).toBe(2);
  expect(lines("buffer_load_dword v3, off, s[4:7], 0; v_lshl_add_u32 v1, v3, 7, v0")).toBe(1 + 2);
  expect(lines("v_lshlrev_b32_e32 v3, 2, v0; buffer_load_dword v3, v3, s[4:7], 0 offen; v_mov_b32_e32 v1, v3")).toBe(
    2 + 64,
  );
});

test("vector registers that change places keep what is known of each", () => {
  const lines = (index: string) =>
    run(
      `s_load_dwordx4 s[4:7], s[2:3], null; v_lshlrev_b32_e32 v1, 7, v0; v_lshlrev_b32_e32 v4, 2, v0
       buffer_load_dword v2, off, s[4:7], 0; v_swap_b32 v1, v4; v_swap_b32 v2, v1; buffer_load_dword v3, ${index}, s[4:7], 0 offen; s_endpgm`,
      { buffers: [storage] },
    ).counts.loadLines;
  // Lanes' numbers times 128, four times the numbers, and an index that was loaded.
  expect(["v4", "v2", "v1"].map(lines)).toEqual([1 + 64, 1 + 2, 1 + 1]);
});

test("registers that change places by xors keep what is known of each", () => {
  const text = `s_load_dwordx4 s[4:7], s[2:3], null; s_buffer_load_dword s8, s[4:7], null; s_mov_b32 s9, 5
    s_xor_b32 s8, s8, s9; s_xor_b32 s9, s8, s9; s_xor_b32 s8, s8, s9; s_cmp_eq_i32 s8, 5; s_cbranch_scc0 BB2
    BB1:\n v_fmac_f32_e32 v3, v3, v3\n BB2:\n s_endpgm`;
  expect(run(text, { buffers: [storage] }).counts).toMatchObject({ fma: 1, assumed: 0, instructions: 10 });
});

test("workgroup memory takes a cycle for each word of its busiest bank", () => {
  const cycles = (bytes: number, text = "ds_read_b32 v2, v1") => access(bytes, text).localCycles;
  expect([cycles(0), cycles(4), cycles(8), cycles(128)]).toEqual([2, 2, 4, 64]);
  expect(cycles(16, "ds_read_b128 v[4:7], v1")).toBe(8);
  expect(cycles(0, "ds_read_b128 v[4:7], v1")).toBe(2);
  expect(cycles(4, "ds_read2_b32 v[4:5], v1 offset0:0 offset1:32")).toBe(4);
  expect(cycles(4, "ds_write_b32 v1, v2")).toBe(2);
});

test("waves wait for each other at a barrier", () => {
  const slow = "v_exp_f32_e32 v2, v2; ".repeat(10);
  /** The second wave computes before the barrier, then the first one after it. */
  const cyclesWith = (between: string) => {
    const text = `v_cmp_le_u32_e32 vcc, 64, v0; s_cbranch_vccz BB2\n BB1:\n ${slow}\n BB2:\n ${between}; s_cbranch_vccnz BB4
      BB3:\n ${slow}\n BB4:\n s_endpgm`;
    return run(text, { lanes: 128 });
  };
  const { cycles, counts } = cyclesWith("s_barrier");
  expect(counts).toMatchObject({ barriers: 2, transcendental: 20 });
  const apart = cyclesWith("s_nop 0").cycles;
  expect(cycles).toBeGreaterThan(1.8 * apart);
  expect(cycles).toBeLessThan(2 * apart + rdna2.latency.barrier);
});
