/** @file A device compiles each kernel once, for all programs. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import { at } from "../../compiler/graph/errors.ts";
import { traceGraph } from "../../compiler/ops/trace.ts";
import { exp } from "../../compiler/ops/transcendental.ts";
import type { Tensor } from "../../compiler/trace/tensor.ts";
import { GpuContext } from "../../runtime/context.ts";
import { createPipelineNow, createPipelines, mostKept } from "../../runtime/pipelines.ts";

const graph = traceGraph("e", [{ name: "x", dtype: "f32", shape: [3] }], ([x]) => [exp(x as Tensor<"f32">)]);
const program = compileProgram(graph, { target: "software" });

/** The same program with a kernel of another text. */
const variant = (text: string) => ({
  ...program,
  kernels: program.kernels.map((kernel) => ({ ...kernel, wgsl: `${kernel.wgsl}\n${text}` })),
});

let context: GpuContext;
beforeEach(async () => {
  context = await GpuContext.open("auto");
});
afterEach(() => context.destroy());

const pipelinesOf = (of: typeof program) => context.wait(createPipelines(context.device, of), "compile");

test("a kernel that is compiled again is the same pipeline, on this device only", async () => {
  const compile = vi.spyOn(context.device, "createComputePipelineAsync");
  const [first, together] = await Promise.all([pipelinesOf(program), pipelinesOf(program)]);
  const again = await pipelinesOf(program);
  expect(compile).toHaveBeenCalledTimes(program.kernels.length);
  expect(at(together, 0).pipeline).toBe(at(first, 0).pipeline);
  expect(at(again, 0).pipeline).toBe(at(first, 0).pipeline);
  await pipelinesOf(variant("// other"));
  expect(compile).toHaveBeenCalledTimes(2 * program.kernels.length);

  const other = await GpuContext.open("auto");
  const [elsewhere] = await other.wait(createPipelines(other.device, program), "compile");
  expect(elsewhere?.pipeline).not.toBe(at(first, 0).pipeline);
  other.destroy();
});

test("a kernel that does not compile is not cached", async () => {
  const wrong = variant("nonsense");
  const compile = vi.spyOn(context.device, "createComputePipelineAsync");
  await expect(pipelinesOf(wrong)).rejects.toThrow(/does not compile/);
  await expect(pipelinesOf(wrong)).rejects.toThrow(/does not compile/);
  expect(compile).toHaveBeenCalledTimes(2 * program.kernels.length);
});

test("a cached pipeline is available at once, a pending one is not waited for", async () => {
  const [later, now] = [
    vi.spyOn(context.device, "createComputePipelineAsync"),
    vi.spyOn(context.device, "createComputePipeline"),
  ];
  const kernel = at(program.kernels, 0);
  const beginning = pipelinesOf(program);
  const { fault } = createPipelineNow(context.device, kernel);
  expect(await context.wait(fault, "compile")).toBeUndefined();
  expect([later.mock.calls.length, now.mock.calls.length]).toEqual([1, 1]);
  const { pipeline } = at(await beginning, 0);
  expect(createPipelineNow(context.device, kernel).pipeline.pipeline).toBe(pipeline);
  expect([later.mock.calls.length, now.mock.calls.length]).toEqual([1, 1]);

  const other = variant("// made at once");
  const made = createPipelineNow(context.device, at(other.kernels, 0)).pipeline.pipeline;
  expect(at(await pipelinesOf(other), 0).pipeline).toBe(made);
});

test("only the most recently used pipelines are cached", async () => {
  const made = vi.fn(async () => ({}) as GPUComputePipeline);
  vi.spyOn(context.device, "createComputePipelineAsync").mockImplementation(made);
  const numbered = (i: number) => pipelinesOf(variant(`// ${i}`));
  for (let i = 0; i < mostKept; i++) await numbered(i);
  await numbered(0);
  expect(made).toHaveBeenCalledTimes(mostKept);
  await numbered(mostKept);
  await numbered(0);
  expect(made).toHaveBeenCalledTimes(mostKept + 1);
  await numbered(1);
  expect(made).toHaveBeenCalledTimes(mostKept + 2);
});
