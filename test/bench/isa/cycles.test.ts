/** @file The cycle model of `npm run bench:isa` on code and work made by hand, with results worked out by hand. */
import { expect, test } from "vitest";
import { boundsOf, type GroupWork, largestOf, residentGroups } from "../../../bench/isa/cycles.ts";
import { type Chip, rdna2 } from "../../../bench/isa/rdna2.ts";
import { levelOf } from "../../../bench/isa/wave/clock.ts";
import { noCounts } from "../../../bench/isa/wave/tally.ts";
import { run, storage } from "./code.ts";

/** Round numbers, so that results can be added up in the head. */
const chip: Chip = {
  ...rdna2,
  ...{ processors: 10, l2Bandwidth: 128 },
  latency: {
    ...rdna2.latency,
    vector: 5,
    transcendental: 10,
    local: 50,
    scalarCache: 30,
    l2: 300,
    l0: 100,
    barrier: 20,
  },
};
const cycles = (text: string, level: "l0" | "l2" = "l2") =>
  run(`${text}; s_endpgm`, { chip, level, buffers: [storage] }).cycles - 1;
const descriptor = "s_load_dwordx4 s[4:7], s[2:3], null; s_waitcnt lgkmcnt(0)";

test("arithmetic issues every other cycle, and what reads a result waits for it", () => {
  expect(cycles("v_add_f32_e32 v1, v9, v9; v_add_f32_e32 v2, v9, v9")).toBe(4);
  // The second pass starts at 1, its result is there at 6, and the reader takes two cycles.
  expect(cycles("v_add_f32_e32 v1, v9, v9; v_add_f32_e32 v2, v1, v9")).toBe(8);
  expect(cycles("s_add_u32 s4, s9, s9; s_add_u32 s5, s4, s9")).toBe(3);
});

test("the unit for transcendental functions is busy for four cycles a pass", () => {
  expect(cycles("v_exp_f32_e32 v1, v9; v_exp_f32_e32 v2, v9; v_exp_f32_e32 v3, v9")).toBe(18);
  expect(cycles("v_exp_f32_e32 v1, v9; v_add_f32_e32 v2, v1, v1")).toBe(16);
});

test("a wait waits for the loads that were issued before it, and one that allows some outstanding for the others", () => {
  const load = (to: number) => `buffer_load_dword v${to}, off, s[4:7], 0`;
  // The descriptor arrives at 30, its wait ends at 31; the address passes take two cycles.
  expect(cycles(`${descriptor}; ${load(1)}; s_waitcnt vmcnt(0)`)).toBe(31 + 2 + 300 + 1);
  expect(cycles(`${descriptor}; ${load(1)}; s_waitcnt vmcnt(0)`, "l0")).toBe(31 + 2 + 100 + 1);
  expect(cycles(`${descriptor}; ${load(1)}; ${load(2)}; s_waitcnt vmcnt(1)`)).toBe(31 + 2 + 300 + 1);
  expect(cycles(`${descriptor}; ${load(1)}; ${load(2)}; s_waitcnt vmcnt(0)`)).toBe(31 + 4 + 300 + 1);
  // One after the other, each in its turn.
  expect(cycles(`${descriptor}; ${load(1)}; s_waitcnt vmcnt(0); ${load(2)}; s_waitcnt vmcnt(0)`)).toBe(31 + 2 * 303);
  expect(cycles(`${descriptor}; ${load(1)}; v_add_f32_e32 v2, v9, v9`)).toBe(31 + 4);
});

test("workgroup memory and stores have counters of their own", () => {
  expect(cycles("ds_read_b32 v1, v0; s_waitcnt vmcnt(0)")).toBe(3);
  // Addresses are the lanes' own numbers in bytes: 8 words to half a wave, each in another bank.
  expect(cycles("ds_read_b32 v1, v0; s_waitcnt lgkmcnt(0)")).toBe(2 + 50 + 1);
  expect(cycles(`${descriptor}; buffer_store_dword v1, off, s[4:7], 0; s_waitcnt vmcnt(0)`)).toBe(31 + 2 + 1);
  expect(cycles(`${descriptor}; buffer_store_dword v1, off, s[4:7], 0; s_waitcnt_vscnt null, 0x0`)).toBe(
    31 + 2 + 300 + 1,
  );
});

test("a branch that is taken costs what fetching costs", () => {
  expect(cycles("s_branch BB1\n BB1:\n s_nop 0")).toBe(1 + rdna2.issue.branchTaken + 1);
});

test("loads come from the smallest cache that holds what a workgroup reads", () => {
  const kib = 1024;
  expect(
    [16 * kib, 16 * kib + 1, 128 * kib, 129 * kib, 4096 * kib, 4097 * kib].map((bytes) => levelOf(rdna2, bytes)),
  ).toEqual(["l0", "l1", "l1", "l2", "l2", "infinityCache"]);
});

test("a processor holds as many workgroups as registers and workgroup memory allow", () => {
  const of = (waves: number, registers: number, workgroupBytes: number) =>
    residentGroups(rdna2, waves, { registers, workgroupBytes, level: "l2" });
  // 512 registers of a SIMD for waves of 96 each: 5 waves on each of 4 SIMDs.
  expect(of(2, 96, 0)).toBe(10);
  expect(of(16, 96, 0)).toBe(1);
  expect(of(16, 136, 0)).toBe(0);
  expect(of(1, 8, 0)).toBe(64);
  expect(of(1, 8, 32 * 1024)).toBe(4);
});

const work = (part: Partial<GroupWork>, counts: Partial<GroupWork["counts"]>): GroupWork => ({
  ...{ groups: 1, waves: 4, cycles: 0, footprintLines: 1e9 },
  ...part,
  counts: { ...noCounts(), ...counts },
});
const small = { registers: 8, workgroupBytes: 64 * 1024, level: "l2" } as const;

test("a workgroup's waves share SIMDs, and few waves use few", () => {
  const vector = { vectorCycles: 800, transcendentalCycles: 400, localCycles: 60, l0Cycles: 30 };
  expect(boundsOf(chip, [work({}, vector)], small)).toMatchObject({ issue: 200, special: 100, local: 30, l0: 15 });
  expect(boundsOf(chip, [work({ waves: 2 }, vector)], small)).toMatchObject({ issue: 400, special: 200 });
  expect(boundsOf(chip, [work({}, { scalarCycles: 1000 })], small)).toMatchObject({ issue: 250 });
});

test("workgroups that do not fit at a time take turns, and bounds of bandwidth add up", () => {
  // Two fit on each of 10 processors by their workgroup memory.
  const of = (groups: number) =>
    boundsOf(chip, [work({ groups, cycles: 100 }, { vectorCycles: 80, loadLines: 3, storeLines: 1 })], small);
  expect(of(10)).toMatchObject({ latency: 100, issue: 20, l2: 40 });
  expect(of(20)).toMatchObject({ latency: 100, issue: 40, l2: 80 });
  expect(of(21)).toMatchObject({ latency: 200, issue: 60 });
  expect(largestOf(of(20))).toEqual(["latency", 100]);
});

test("L2 sees a line once in a step, and no loads that L0 or L1 hold", () => {
  const counts = { loadLines: 50, storeLines: 2 };
  const of = (level: "l0" | "l1" | "l2", footprintLines: number) =>
    boundsOf(chip, [work({ footprintLines }, counts)], { ...small, level }).l2;
  expect([of("l2", 100), of("l2", 10), of("l1", 100), of("l0", 100)]).toEqual([52, 12, 2, 2]);
});
