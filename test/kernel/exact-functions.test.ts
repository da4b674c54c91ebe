/** @file Functions that have a cheaper form for exact arithmetic: it gives the same bits. */
import { expect, test } from "vitest";
import { globalArray, KernelBuilder } from "../../compiler/kernel/builder.ts";
import { EvaluatedKernel } from "../../compiler/kernel/evaluate/kernel.ts";
import { BufferMemory, Clock } from "../../compiler/kernel/evaluate/memory.ts";
import type { KernelFunction } from "../../compiler/kernel/ir.ts";
import { expBelow } from "../../compiler/kernel/math/exponential.ts";
import { isNaN32 } from "../../compiler/kernel/math/numbers.ts";

const lanes = 64;

/** The bits of a function's results, computed by the evaluator. */
function bitsOf(callee: KernelFunction, bits: Uint32Array<ArrayBuffer>): number[] {
  const k = new KernelBuilder();
  const given = globalArray(0, { name: "given", element: "u32" });
  const made = globalArray(1, { name: "made", element: "u32" });
  k.part({ rows: [bits.length], rowsPer: 1, columns: [1], lanes }, () => {
    const own = k.add(k.mul(k.group, k.u32(lanes)), k.lane);
    k.leaveIf(k.lessEqual(k.u32(bits.length), own));
    const value = k.call(callee, [k.bitcast(k.load(given, own), "f32")]);
    k.storeElement(made, own, callee.type === "f32" ? k.bitcast(value, "u32") : k.convert(value, "u32"));
  });
  const clock = new Clock();
  const kernel = new EvaluatedKernel("k0_test", k.finish(lanes), clock, { subgroupSize: 4, maxWorkgroups: 65535 });
  const buffers = [
    new BufferMemory(clock, "given", bits, true),
    new BufferMemory(clock, "made", new Uint32Array(bits.length), false),
  ];
  kernel.run({ buffers, sizes: {}, counts: [], end: 0 });
  return [...(buffers[1]?.data ?? [])];
}

/** Bits of f32 numbers of every exponent, and next to those where rounding changes. */
function sample(): Uint32Array<ArrayBuffer> {
  const spread = Array.from({ length: 4096 }, (_, i) => Math.imul(i, 2654435761) >>> 0);
  const ties = Array.from({ length: 256 }, (_, i) => (-(i + 0.5) / 2) * Math.LN2);
  const near = new Uint32Array(Float32Array.from(ties).buffer);
  const special = [0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f7fffff, 0xff7fffff, 1];
  return Uint32Array.from([...spread, ...[-1, 0, 1].flatMap((by) => [...near].map((bits) => bits + by)), ...special]);
}

const numberOf = (bits: number) => new Float32Array(Uint32Array.of(bits).buffer)[0] ?? Number.NaN;

test("a test for NaN", () => {
  const bits = sample();
  const { exact } = isNaN32;
  expect(exact && bitsOf(exact, bits)).toEqual([...bits].map((each) => Number(Number.isNaN(numberOf(each)))));
  expect(bitsOf(isNaN32, bits)).toEqual([...bits].map((each) => Number(Number.isNaN(numberOf(each)))));
});

test("exp up to 0", () => {
  const bits = sample().filter((each) => numberOf(each) <= 0);
  const { exact } = expBelow;
  expect(exact && bitsOf(exact, bits)).toEqual(bitsOf(expBelow, bits));
});
