/**
 * @file Dispatches whose numbers of workgroups the device itself computes: if a kernel writes 0, the next one does
 * nothing, and the host sees neither.
 */
import { afterAll, expect, test } from "vitest";
import type { Dispatch, Kernel, Location, Program } from "../../compiler/plan/program.ts";
import { verifyProgram } from "../../compiler/plan/verify-program.ts";
import { GpuContext } from "../../runtime/context.ts";
import { LoadedProgram } from "../../runtime/loaded-program.ts";

const context = await GpuContext.open("auto");
afterAll(() => context.destroy());

const about = {
  about: "",
  label: "",
  site: undefined,
  uniforms: [],
  loops: 0,
  chunked: false,
  workgroupBytes: 0,
} as const;
const kernel = (name: string, wgsl: string, bindings: Kernel["bindings"]): Kernel => ({
  ...about,
  name,
  workgroupSize: 1,
  bindings,
  work: { flops: [], bytes: [] },
  wgsl,
});

/**
 * Writes the numbers of workgroups from the input, after an unrelated number; a negative x becomes 0 and keeps the
 * counts of earlier runs.
 */
const decide = kernel(
  "decide",
  `@group(0) @binding(2) var<storage, read> buffer0: array<f32>;
@group(0) @binding(3) var<storage, read_write> buffer1: array<f32>;
@group(0) @binding(4) var<storage, read_write> buffer2: array<u32>;
@compute @workgroup_size(1) fn main() {
  for (var i = 0u; i < 12u && buffer0[0] >= 0.0; i += 1u) { buffer1[i] = 0.0; }
  buffer2[0] = 99u;
  buffer2[1] = u32(max(buffer0[0], 0.0));
  buffer2[2] = u32(buffer0[1]);
  buffer2[3] = u32(buffer0[2]);
}`,
  [
    { buffer: 0, access: "read" },
    { buffer: 1, access: "read_write" },
    { buffer: 2, access: "read_write" },
  ],
);

/** Counts each of its workgroups once, and writes to the buffer that contains its own numbers. */
const count = kernel(
  "count",
  `@group(0) @binding(2) var<storage, read_write> buffer0: array<f32>;
@group(0) @binding(3) var<storage, read_write> buffer1: array<u32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) all: vec3<u32>) {
  let i = id.x + all.x * (id.y + all.y * id.z);
  buffer0[i] = buffer0[i] + 1.0;
  buffer1[4] = 7u;
}`,
  [
    { buffer: 1, access: "read_write" },
    { buffer: 2, access: "read_write" },
  ],
);

const most = 12;
const one = { rows: [1], rowsPer: 1, columns: [1], lanes: 1 };
const step = (kernel: number, indirect?: Location): Dispatch => ({
  kind: "dispatch",
  kernel,
  grid: [one],
  phase: "forward",
  ...(indirect && { indirect }),
});
const single: Location = { buffer: 2, offset: [1], size: [1] };
const triple: Location = { buffer: 2, offset: [1], size: [3] };

function programOf(steps: readonly Dispatch[]): Program {
  return verifyProgram({
    version: 1,
    name: "indirect",
    symbols: [],
    requires: [],
    buffers: [
      { name: "in0", element: "f32", bytes: 4, size: [3], role: "input" },
      { name: "work", element: "f32", bytes: 4, size: [most], role: "slab" },
      { name: "workInts", element: "u32", bytes: 4, size: [5], role: "slab" },
    ],
    inputs: [{ name: "x", dtype: "f32", shape: [3], buffer: 0 }],
    outputs: [{ dtype: "f32", shape: [most], location: { buffer: 1, offset: [0], size: [most] }, donated: undefined }],
    kernels: [decide, count],
    schedules: [],
    steps,
  });
}

/** How often each workgroup has run, for each run with an x. */
async function runs(steps: readonly Dispatch[], ...xs: readonly (readonly [number, number, number])[]) {
  const loaded = await LoadedProgram.load(context, programOf(steps));
  const counts: number[][] = [];
  for (const x of xs) {
    const [output] = loaded.run({ x: { dtype: "f32", shape: [3], data: Float64Array.from(x) } });
    counts.push([...((await output?.read())?.data ?? [])]);
    output?.destroy();
  }
  loaded.destroy();
  return counts;
}

const counted = (...numbers: number[]) => [...numbers, ...Array.from({ length: most - numbers.length }, () => 0)];

test("the number of workgroups that run is the one that a kernel wrote, also 0", async () => {
  const steps = [step(0), step(1, single)];
  // The words after the number are not read: with one number, y and z are 1.
  expect(await runs(steps, [0, 2, 2], [3, 5, 5], [0, 0, 0], [1, 0, 0])).toEqual([
    counted(),
    counted(1, 1, 1),
    counted(),
    counted(1),
  ]);
});

test("three numbers are x, y and z, before and after dispatches with one number", async () => {
  const steps = [step(0), step(1, single), step(1, triple), step(1, single), step(1)];
  expect(await runs(steps, [2, 3, 2], [2, 0, 2])).toEqual([
    [4, 3, ...Array.from({ length: 10 }, () => 1)],
    counted(3, 2),
  ]);
});

test("a profile runs the same number of workgroups", async () => {
  const loaded = await LoadedProgram.load(context, programOf([step(0), step(1, single)]));
  const x = (...data: number[]) => ({ dtype: "f32", shape: [3], data: Float64Array.from(data) }) as const;
  await loaded.profile({ x: x(2, 0, 0) });
  const [output] = loaded.run({ x: x(-1, 0, 0) });
  expect([...((await output?.read())?.data ?? [])]).toEqual(counted(1, 1));
  loaded.destroy();
});
