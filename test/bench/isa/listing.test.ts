/** @file What `npm run bench:isa` reads out of the driver's prints: instructions, statistics, loops. */
import { expect, test } from "vitest";
import { flowOf } from "../../../bench/isa/flow.ts";
import { kernelMarker, listingOf, listingsOf, listingsOfAll, parseInstruction } from "../../../bench/isa/listing.ts";
import { classOf, decode } from "../../../bench/isa/wave/decode.ts";
import { Constants } from "../../../bench/isa/wave/registers.ts";
import { assembled, recorded } from "./code.ts";

test("an instruction has a mnemonic, operands and what stands after them", () => {
  expect(parseInstruction("\tbuffer_load_dword v3, v3, s[20:23], 0 offen offset:512 ")).toEqual({
    op: "buffer_load_dword",
    operands: ["v3", "v3", "s[20:23]", "0"],
    modifiers: ["offen", "offset:512"],
  });
  expect(parseInstruction("\tv_mul_f32_e32 v5, v24, v5 ")?.op).toBe("v_mul_f32");
  expect(parseInstruction("\tv_add_f32_dpp v5, v24, v5  quad_perm:[1,0,3,2] row_mask:0xf")).toEqual({
    ...{ op: "v_add_f32", operands: ["v5", "v24", "v5"], modifiers: ["quad_perm:[1,0,3,2]", "row_mask:0xf"] },
  });
  expect(parseInstruction("\ts_endpgm ")).toEqual({ op: "s_endpgm", operands: [], modifiers: [] });
  expect(parseInstruction("\ts_waitcnt vmcnt(6) lgkmcnt(0) ")?.modifiers).toEqual(["vmcnt(6)", "lgkmcnt(0)"]);
});

test("each kernel has its last disassembly, without the encodings, and the statistics after it", () => {
  const print = (op: string, registers: number) =>
    `shader: x\ndisasm:\nBB0:\n\t${op}       ; bf810000\n\n*** SHADER STATS ***\nVGPRs: ${registers}\nInverse Throughput: 7\n`;
  const output = `noise\n${kernelMarker}k0\n${print("s_nop 0", 1)}${print("s_endpgm", 8)}\n${kernelMarker}k1\nnone\n${kernelMarker}\n`;
  const found = listingsOf(output);
  expect([...found.keys()]).toEqual(["k0"]);
  expect(found.get("k0")?.blocks.flatMap(({ instructions }) => instructions.map(({ op }) => op))).toEqual(["s_endpgm"]);
  expect(found.get("k0")?.statistics).toEqual({ VGPRs: 8, "Inverse Throughput": 7 });
});

test("instructions that the driver prints once are there as often as they run", () => {
  const blocks = listingOf(
    "\ndisasm:\nBB0:\n\tv_mul_f32_e32 v1, v1, v2 ; 10\n\t(then repeated 2 times)\n\ts_endpgm\n",
  )?.blocks;
  expect(blocks?.[0]?.instructions.map(({ op }) => op)).toEqual(["v_mul_f32", "v_mul_f32", "v_mul_f32", "s_endpgm"]);
});

test("a recorded kernel has as many instructions as the driver says", () => {
  const listing = listingOf(`\n${recorded}`);
  expect(listing?.blocks.reduce((sum, { instructions }) => sum + instructions.length, 0)).toBe(282);
  expect(listing?.statistics).toMatchObject({ Instructions: 282, VGPRs: 16, "LDS size": 512, Latency: 22885 });
});

test.each([
  ["v_fmac_f32", "fma"],
  ["v_fmaak_f32", "fma"],
  ["v_pk_fma_f16", "fma"],
  ["v_mad_u32_u24", "vector"],
  ["v_mul_f32", "vector"],
  ["v_mul_lo_u32", "wideInteger"],
  ["v_exp_f32", "transcendental"],
  ["s_buffer_load_dwordx4", "scalarLoad"],
  ["s_mul_i32", "scalar"],
  ["s_cbranch_execz", "branch"],
  ["s_waitcnt_vscnt", "wait"],
  ["buffer_load_dwordx4", "load"],
  ["buffer_store_dword", "store"],
  ["ds_read_b128", "localRead"],
  ["ds_bpermute_b32", "localRead"],
  ["ds_write2st64_b32", "localWrite"],
  ["s_clause", "hint"],
] as const)("%s is of class %s", (op, kind) => expect(classOf(op)).toBe(kind));

test.each([
  ["ds_read_b128 v[0:3], v1", 4],
  ["ds_read2_b32 v[0:1], v1 offset0:1 offset1:2", 2],
  ["buffer_load_dword v1, v2, s[4:7], 0 offen", 1],
  ["buffer_load_dwordx4 v[1:4], v2, s[4:7], 0 offen", 4],
  ["s_buffer_load_dwordx8 s[0:7], s[8:11], null", 8],
] as const)("%s moves %i words", (line, words) => {
  const instruction = parseInstruction(line);
  expect(instruction && decode(instruction, new Constants()).words).toBe(words);
});

test("loops are found with what is inside them", () => {
  const blocks = assembled(`s_nop 0
    BB1:\n s_cbranch_scc1 BB6
    BB2:\n s_nop 0
    BB3:\n s_cbranch_scc0 BB5
    BB4:\n s_branch BB3
    BB5:\n s_branch BB1
    BB6:\n s_endpgm`);
  const { loops, successors } = flowOf(blocks);
  expect(successors).toEqual([[1], [6, 2], [3], [5, 4], [3], [1], []]);
  expect(loops.map(({ header, blocks: own, parent }) => [header, [...own].sort(), parent])).toEqual([
    [1, [1, 2, 3, 4, 5], undefined],
    [3, [3, 4], 0],
  ]);
});

test("a jump back to a block that is not on every way to it makes no loop", () => {
  const blocks = assembled("s_cbranch_scc0 BB2\n BB1:\n s_nop 0\n BB2:\n s_cbranch_scc1 BB1\n BB3:\n s_endpgm");
  expect(flowOf(blocks)).toMatchObject({ successors: [[2, 1], [2], [1, 3], []], loops: [] });
});

test("a jump forward over blocks is no loop, and one to a block that there is not is an error", () => {
  expect(flowOf(assembled("s_cbranch_scc0 BB2\n BB1:\n s_nop 0\n BB2:\n s_endpgm")).loops).toEqual([]);
  expect(() => flowOf(assembled("s_branch BB7"))).toThrow("branches to BB7, which it has not");
});

test("kernels of equal text have the listing of the first, since the driver prints them once", () => {
  const [a, b] = [listingOf("\ndisasm:\nBB0:\n\ts_endpgm"), listingOf("\ndisasm:\nBB0:\n\ts_nop 0")];
  if (a === undefined || b === undefined) throw new Error("no listing");
  const printed = new Map([
    ["k0", a],
    ["k1", b],
  ]);
  const kernels = [
    { name: "k0", wgsl: "one" },
    { name: "k1", wgsl: "two" },
    { name: "k2", wgsl: "one" },
    { name: "k3", wgsl: "three" },
  ];
  expect([...listingsOfAll(printed, kernels)]).toEqual([
    ["k0", a],
    ["k1", b],
    ["k2", a],
  ]);
});
