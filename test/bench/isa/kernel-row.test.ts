/** @file A recorded kernel with its program as `npm run bench:isa` reports it: everything is of one step of the sequence. */
import { expect, test } from "vitest";
import { dispatchesOf } from "../../../bench/isa/dispatches.ts";
import { rowOf } from "../../../bench/isa/kernel-row.ts";
import { listingOf } from "../../../bench/isa/listing.ts";
import { rdna2 } from "../../../bench/isa/rdna2.ts";
import type { Dispatch, Kernel, Program, Step } from "../../../compiler/plan/program.ts";
import { recorded } from "./code.ts";

const sizes = { B: 4, T: 32 };

/** The forward loop of an RNN of 64 units, with all of its program that counts. */
function programWith(kernel: Partial<Kernel>, wrap: (dispatch: Dispatch) => Step): Program {
  const whole: Kernel = {
    ...{ name: "k0", label: "rnn", site: undefined, about: "", wgsl: "", workgroupSize: 64, workgroupBytes: 512 },
    bindings: [0, 1, 2, 3].map((buffer) => ({ buffer, access: "read" })),
    uniforms: [["B"], [4096], [12288], ["64*B*T", "64*B"], ["64*B"]].map((value, i) => ({ name: `at${i}`, value })),
    ...{ loops: 1, chunked: true, work: { flops: ["8384*B*T"], bytes: [] } },
    ...kernel,
  };
  const grid = [{ rows: ["B"], rowsPer: 1, columns: [1], lanes: 1 }];
  return {
    ...{ version: 1, name: "step", symbols: ["B", "T"], requires: [], outputs: [], schedules: [], buffers: [] },
    inputs: [{ name: "parameters", dtype: "f32", shape: [20000], buffer: 0 }],
    kernels: [whole],
    steps: [wrap({ kind: "dispatch", kernel: 0, grid, phase: "forward" })],
  };
}

function reported(program: Program) {
  const [placed] = dispatchesOf(program, sizes);
  const listing = listingOf(`\n${recorded}`);
  if (placed === undefined || listing === undefined) throw new Error("nothing to report");
  return rowOf({ cell: "rnn", units: 64, batch: 4 }, program, placed, listing, sizes, rdna2);
}

test("a kernel with the time loop inside is counted by the difference of two lengths", () => {
  const row = reported(programWith({}, (dispatch) => dispatch));
  expect(row).toMatchObject({
    ...{ loop: "inside", workgroups: 4, lanes: 64, registers: 16, workgroupBytes: 512, spills: 0, acoLatency: 22885 },
    ...{ bound: "latency", level: "l1", flopsPlanned: 4 * 8384, flopsDone: 4 * 10944 },
    // 64 × 64 of the matrix and 64 of the bias, for each row.
    ...{ weightLoadsPerStep: 64 * 65, fmaShare: 2 / 35 },
  });
  expect(row.perWave).toMatchObject({ fma: 78, loads: 66, waits: 103, barriers: 0, guards: 33 });
  expect(row.hotBlock).toMatchObject({ fma: 2, runs: 32 });
  expect(row.fault).toBeUndefined();
  // A dispatch is for all 32 steps.
  const gap = rdna2.latency.dispatch / 32;
  expect(row.cyclesPerStep).toBeCloseTo((row.bounds?.latency ?? 0) + gap, 6);
  // Each of the 32 turns of the product waits for its own loads from L1.
  expect(row.bounds?.latency).toBeGreaterThan(32 * rdna2.latency.l1);
  expect(row.bounds?.latency).toBeLessThan(32 * 1.7 * rdna2.latency.l1);
});

test("a kernel that a loop of the program runs pays for a dispatch in every step", () => {
  // What runs one step reads its number, and a second word that is no step: here the code ends its loop there.
  const kernel = { loops: 2, chunked: false, work: { flops: ["0"], bytes: [] } };
  const row = reported(
    programWith(kernel, (dispatch) => ({ kind: "loop", length: "T", reverse: false, body: [dispatch], otherwise: [] })),
  );
  expect(row).toMatchObject({ loop: "step", bound: "dispatch" });
  expect(row.cyclesPerStep).toBeGreaterThan(rdna2.latency.dispatch);
  const once = reported(programWith(kernel, (dispatch) => dispatch));
  expect(once.loop).toBe("once");
  expect(once.cyclesPerStep).toBeCloseTo((row.cyclesPerStep ?? 0) / 32, 6);
});

test("code that does far less than its IR asks for is a fault, without counts", () => {
  const row = reported(programWith({ work: { flops: ["16000*B*T"], bytes: [] } }, (dispatch) => dispatch));
  expect(row.fault).toBe("its code does 43776 FLOP a step, its IR asks for 64000");
  expect(row).toMatchObject({ registers: 16, workgroups: 4 });
  expect(row.cyclesPerStep).toBeUndefined();
});
