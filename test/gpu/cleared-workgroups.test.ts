/**
 * @file Where a host clears workgroup memory, a software adapter's loops have theirs in a buffer: a store of zero for every
 * element takes seconds to compile. The results are the same bits.
 */
import { afterAll, describe, expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import { evaluateDim } from "../../compiler/graph/dim.ts";
import { globalArray, KernelBuilder } from "../../compiler/kernel/builder.ts";
import type { LowerOptions } from "../../compiler/plan/lowering.ts";
import type { Program } from "../../compiler/plan/program.ts";
import { planProgram } from "../../compiler/plan-program.ts";
import { languageModel } from "../../entries/networks.ts";
import * as cg from "../../index.ts";
import { kernelText } from "../../shaders/kernel.ts";
import { inputsOf } from "../kernels/inputs.ts";
import { ProgramRunner } from "../support/programs.ts";
import { fewOf, slow, someOf } from "../support/some-of.ts";
import { forms } from "../zoo/forms.ts";

const runner = await ProgramRunner.open("software");
afterAll(() => runner.destroy());

function stepOf(cell: cg.CellDefinition, units: number, layers = 1) {
  const network = languageModel({ cell, units, layers, embed: 3, vocabulary: 5 });
  return cg.trainingStep(network, { optimizer: cg.sgd() });
}

const lstm = cg.lstm as cg.CellDefinition;
const software = { target: "software", maxWorkgroupBytes: 32_768, schedule: "persistent" } as const;
const large = stepOf(lstm, 128);
const programOf = (options: LowerOptions) =>
  compileProgram(large.graph, { ...software, donate: large.donate, ...options });
const bytesOf = ({ kernels }: Program) => kernels.map(({ workgroupBytes }) => workgroupBytes);
const barriersOf = ({ kernels }: Program) => kernels.map(({ wgsl }) => wgsl.match(/\w+Barrier\(\)/g)?.join() ?? "");

describe("a training step of an LSTM of 128 units", () => {
  test("needs little workgroup memory where that is cleared, on a software adapter", () => {
    expect(Math.max(...bytesOf(programOf({})))).toBe(24_576);
    expect(Math.max(...bytesOf(programOf({ clearsWorkgroups: true })))).toBeLessThanOrEqual(1024);
  });

  test("keeps its workgroup memory on a GPU and where nothing is cleared", slow, () => {
    const onGpu = programOf({ target: "gpu" });
    expect(programOf({ target: "gpu", clearsWorkgroups: true }).kernels).toEqual(onGpu.kernels);
    expect(programOf({ clearsWorkgroups: false }).kernels).toEqual(programOf({}).kernels);
  });

  test("has as many barriers, of the memory that they are for", () => {
    const [before, after] = [programOf({}), programOf({ clearsWorkgroups: true })].map(barriersOf);
    const loops = before?.map((barriers, i) => [barriers, after?.[i]]).filter(([a, b]) => a !== b) ?? [];
    expect(loops).toHaveLength(2);
    for (const [a, b] of loops) expect(b).toBe(a?.replaceAll("workgroupBarrier", "storageBarrier"));
  });

  fewOf([1, 7, 8, 9, 16], (rows) => rows === 9)("has a range of the buffer for each workgroup of %i rows", (rows) => {
    const sizes = { B: rows, T: 4 };
    const total = ({ buffers }: Program) =>
      buffers
        .filter(({ role, element }) => role === "slab" && element === "f32")
        .flatMap(({ size }) => size)
        .reduce<number>((sum, dim) => sum + evaluateDim(dim, sizes), 0);
    const more = total(programOf({ clearsWorkgroups: true })) - total(programOf({}));
    // 12,288 and 24,576 bytes to a workgroup of 8 rows.
    expect(more).toBeGreaterThanOrEqual(Math.ceil(rows / 8) * (3072 + 6144));
  });
});

/** The widest of each cell whose arrays are worth moving. */
const cells: [string, cg.CellDefinition, number, number][] = [
  ["an LSTM", lstm, 37, 1],
  ["two layers of GRUs", cg.gru as cg.CellDefinition, 32, 2],
  ["a layer-norm LSTM", forms.get("layer-norm-lstm")?.cell ?? lstm, 34, 1],
];

someOf(
  cells,
  ([name]) => name === "a layer-norm LSTM",
  () => false,
)("%s has the same bits in a buffer", async (_, cell, units, layers) => {
  const { graph, donate } = stepOf(cell, units, layers);
  for (const [B, chunkSteps] of [
    [3, 2],
    [11, 100],
  ] as const) {
    const inputs = inputsOf(graph, false, { B, T: 5 });
    const options = { donate, schedule: "persistent", chunkSteps } as const;
    const moved = planProgram(graph, { ...runner.limits, ...options, clearsWorkgroups: true });
    expect(moved.kernels.filter(({ code }) => code.sharedPlace !== undefined)).toHaveLength(2 * layers);
    const before = await runner.run(graph, inputs, options);
    expect(await runner.run(graph, inputs, { ...options, clearsWorkgroups: true })).toEqual(before);
  }
});

test("a workgroup finds nothing that another one left", slow, async () => {
  const { graph, donate } = stepOf(lstm, 32);
  const rounds = [9, 16, 9].map((B) => inputsOf(graph, false, { B, T: 3 }));
  const options = { donate, schedule: "persistent", clearsWorkgroups: true } as const;
  const [first, , last] = await runner.runs(graph, rounds, options);
  expect(last).toEqual(first);
});

test("integers stay in workgroup memory, and a barrier waits for both", () => {
  const w = new KernelBuilder();
  const results = globalArray(0, { name: "work", element: "f32" });
  w.part({ rows: [1], rowsPer: 1, columns: [1], lanes: 1 }, () => {
    const [floats, numbers] = [w.sharedArray("f32", 64, 2), w.sharedArray("u32", 64)];
    w.storeInSlot(floats, w.u32(1), w.lane, w.f32(0.5));
    w.storeElement(numbers, w.lane, w.lane);
    const other = w.sub(w.u32(63), w.lane);
    const sum = w.add(w.load(floats, other, w.u32(1)), w.convert(w.load(numbers, other), "f32"));
    w.storeElement(results, w.lane, sum);
  });
  const text = kernelText(w.finish(64, { array: results, offset: [7, "B"] }));
  expect(text.match(/^var<workgroup>.*$/gm)).toEqual(["var<workgroup> shared0_64_u32: array<u32, 64>;"]);
  expect(text.match(/\w+Barrier\(\)/g)).toEqual(["storageBarrier()", "workgroupBarrier()"]);
  expect(text).toContain("let sharedPlace = sizes.at0 + group * 128u;");
  expect(text).toContain("buffer0[shared0_2x64_f32Place + 1u * 64u + lane] = 0.5f;");
});
