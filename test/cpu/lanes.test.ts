/** @file Loads of the four lanes of a workgroup at indices that ascend, descend, jump, or are equal. */
import { expect, test } from "vitest";
import { at } from "../../compiler/graph/errors.ts";
import { ndarray } from "../../compiler/graph/ndarray.ts";
import { globalArray, KernelBuilder } from "../../compiler/kernel/builder.ts";
import type { Expr } from "../../compiler/kernel/ir.ts";
import type { PlannedKernel, Program } from "../../compiler/plan/program.ts";
import { CpuContext } from "../../runtime/cpu/context.ts";
import { LoadedCpuProgram } from "../../runtime/cpu/loaded-program.ts";
import { renderedFor } from "./programs.ts";

const size = 32;
const places: readonly (readonly [
  what: string,
  place: (k: KernelBuilder) => Expr,
  expected: (lane: number, group: number) => number,
])[] = [
  ["neighbours", (k) => k.add(k.mul(k.group, k.u32(4)), k.lane), (lane, group) => 4 * group + lane],
  ["neighbours in reverse", (k) => k.sub(k.u32(19), k.lane), (lane) => 19 - lane],
  ["every third", (k) => k.add(k.mul(k.lane, k.u32(3)), k.group), (lane, group) => 3 * lane + group],
  ["one for all", (k) => k.sub(k.add(k.lane, k.u32(7)), k.lane), () => 7],
  ["twice a difference", (k) => k.mul(k.sub(k.u32(9), k.lane), k.u32(2)), (lane) => 18 - 2 * lane],
  ["pairs", (k) => k.div(k.add(k.lane, k.u32(4)), k.u32(2)), (lane) => (4 + lane) >> 1],
];

test.each(places)("%s", async (_, place, expected) => {
  const k = new KernelBuilder();
  const grid = [{ rows: [2], rowsPer: 1, columns: [1], lanes: 1 }] as const;
  k.part(grid[0], () => {
    const value = k.load(globalArray(0, { name: "x", element: "f32" }), place(k));
    k.storeElement(globalArray(1, { name: "y", element: "f32" }), k.add(k.mul(k.group, k.u32(4)), k.lane), value);
  });
  const program: Program<PlannedKernel> = {
    ...{ version: 1, name: "lanes", symbols: [], requires: [], schedules: [] },
    buffers: [
      { name: "x", element: "f32", bytes: 4, size: [size], role: "input" },
      { name: "y", element: "f32", bytes: 4, size: [8], role: "slab" },
    ],
    inputs: [{ name: "x", dtype: "f32", shape: [size], buffer: 0 }],
    outputs: [{ dtype: "f32", shape: [8], location: { buffer: 1, offset: [0], size: [8] }, donated: undefined }],
    kernels: [{ name: "k0_lanes", label: "lanes", sites: [], code: k.finish(4), work: { flops: [], bytes: [] } }],
    steps: [{ kind: "dispatch", kernel: 0, grid, phase: "forward" }],
  };
  const context = await CpuContext.open({ place: "caller" });
  const loaded = await LoadedCpuProgram.load(context, renderedFor(context, program));
  const x = ndarray(
    [size],
    Array.from({ length: size }, (_, i) => i),
  );
  const { data } = await at(loaded.run({ x }), 0).read();
  context.destroy();
  expect([...data]).toEqual(Array.from({ length: 8 }, (_, i) => expected(i % 4, i >> 2)));
});
