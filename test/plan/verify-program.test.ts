/** @file Programs that break WebGPU's rules or their own: each rule rejects one, without a device. */
import { expect, test } from "vitest";
import { compileProgram } from "../../compiler/compile.ts";
import { at } from "../../compiler/graph/errors.ts";
import type { Branch, Kernel, Location, Program, Step } from "../../compiler/plan/program.ts";
import { defaultLimits, verifyProgram } from "../../compiler/plan/verify-program.ts";
import { add, dot, mul, scanTensors, sum, type Tensor, tanh, traceGraph, zeros } from "../../index.ts";

type Float = Tensor<"f32">;

const inputs = [
  { name: "x", dtype: "f32", shape: ["T", "B", 4] },
  { name: "w", dtype: "f32", shape: [4, 4] },
] as const;
/** A persistent loop, a product, and a donated input that is updated. */
const graph = traceGraph("valid", inputs, ([x, w]) => {
  const step = ([h]: readonly Tensor[], [row]: readonly Tensor[]) => {
    const next = tanh(add(dot(h as Float, w as Float), row as Float));
    return { carries: [next], ys: [] };
  };
  const { carries } = scanTensors(step, [zeros(["B", 4])], [x as Float]);
  return [mul(w as Float, 0.9), sum(carries[0] as Float)];
});
const program = compileProgram(graph, { donate: { w: 0 }, schedule: "persistent", tuning: { persistentRows: 1 } });

const withKernel = (change: (kernel: Kernel) => Partial<Kernel>): Program => ({
  ...program,
  kernels: program.kernels.map((kernel) => ({ ...kernel, ...change(kernel) })),
});
const withSteps = (change: (step: Step) => object): Program => ({
  ...program,
  steps: program.steps.map((step) => ({ ...step, ...change(step) }) as Step),
});
const withOutput = (i: number, change: object): Program => ({
  ...program,
  outputs: program.outputs.map((output, k) => (k === i ? { ...output, ...change } : output)),
});
const isChunked = (step: Step) => step.kind === "dispatch" && step.chunks !== undefined;
const copy = (from: number, to: number): Step => {
  const place = (buffer: number) => ({ buffer, offset: [0], size: [4] });
  return { kind: "copy", from: place(from), to: place(to) };
};
const branch = (atMost: number | undefined, ...steps: Branch["steps"]): Branch => ({ atMost, steps });
const choice = (dim: string, ...branches: Branch[]): Program => ({
  ...program,
  steps: [...program.steps, { kind: "choose", dim, branches }],
});
const empty = { kind: "dispatch", kernel: 99, grid: [], phase: "forward" } as const;
/** The program with indirect dispatches: their numbers of workgroups are read from a slab of integers. */
const indirect = (location: Partial<Location>): Program => {
  const buffer = program.buffers.findIndex(({ element, role }) => element === "u32" && role === "slab");
  const indirect: Location = { buffer, offset: [0], size: [1], ...location };
  return withSteps((step) => (step.kind === "dispatch" ? { indirect } : {}));
};
const twoBuffers = (kernel: Kernel) => kernel.bindings.length > 1;

test("a valid program passes", () => {
  expect(verifyProgram(program)).toBe(program);
  const good = [choice("B*T", branch(3), branch(4), branch(undefined)), indirect({}), indirect({ size: [3] })];
  for (const one of good) expect(verifyProgram(one)).toBe(one);
  expect(program.steps.some(isChunked) && program.kernels.some(twoBuffers)).toBe(true);
});

test.each<[string, () => Program, RegExp]>([
  [
    "a buffer bound twice",
    () => withKernel(({ bindings }) => ({ bindings: [...bindings, at(bindings, 0)] })),
    /binds a buffer twice/,
  ],
  [
    "a buffer that does not exist",
    () => withKernel(({ bindings }) => ({ bindings: [...bindings, { buffer: 99, access: "read" }] })),
    /binds a buffer that does not exist/,
  ],
  [
    "more workgroup memory than the limit",
    () => withKernel(() => ({ workgroupBytes: defaultLimits.workgroupBytes + 4 })),
    /uses 16388 bytes of workgroup memory; the limit is 16384/,
  ],
  [
    "more invocations per workgroup than the limit",
    () => withKernel(() => ({ workgroupSize: 257 })),
    /has 257 invocations per workgroup; the limit is 256/,
  ],
  [
    "an input in a slab",
    () => ({ ...program, buffers: program.buffers.map((buffer) => ({ ...buffer, role: "slab" })) }),
    /input x: has no input buffer/,
  ],
  [
    "an input whose buffer has another size",
    () => ({ ...program, buffers: program.buffers.map((buffer) => ({ ...buffer, size: [1, "B"] })) }),
    /input x: has a buffer of another size/,
  ],
  [
    "a copy to a buffer that does not exist",
    () => ({ ...program, steps: [copy(0, 99)] }),
    /a copy: is in buffer 99, which does not exist/,
  ],
  [
    "a copy from a buffer that does not exist",
    () => ({ ...program, steps: [copy(99, 0)] }),
    /a copy: is in buffer 99, which does not exist/,
  ],
  ["a copy within a buffer", () => ({ ...program, steps: [copy(2, 2)] }), /has one buffer as source and destination/],
  [
    "an output that does not exist",
    () => withOutput(1, { location: { buffer: 99, offset: [0], size: [1] } }),
    /output 1: is in buffer 99/,
  ],
  [
    "an output in an input's buffer",
    () => withOutput(1, { location: at(program.outputs, 0).location }),
    /output 1: is in an input's buffer/,
  ],
  [
    "a donated output in a slab",
    () => withOutput(0, { location: at(program.outputs, 1).location }),
    /output 0: is donated but is in a slab/,
  ],
  ["a kernel that does not exist", () => withSteps(() => ({ kernel: 99 })), /kernel 99 does not exist/],
  [
    "a missing kernel that runs instead of a loop",
    () => {
      const missing = { kind: "dispatch", kernel: 99, grid: [], phase: "forward" } as const;
      const loop = { kind: "loop", length: "T", reverse: false, body: [], otherwise: [missing] } as const;
      return { ...program, steps: [loop] };
    },
    /kernel 99 does not exist/,
  ],
  [
    "a chunked kernel without a range of steps",
    () => withSteps(() => ({ chunks: undefined })),
    /runs a chunk of a loop but gets no range of steps/,
  ],
  [
    "chunks of a kernel that runs no loop",
    () => withSteps((step) => (isChunked(step) ? {} : { chunks: { scan: "valid", length: "T", steps: 3 } })),
    /is cut into chunks but runs no loop/,
  ],
  [
    "chunks of 0 steps",
    () => withSteps((step) => (isChunked(step) ? { chunks: { scan: "valid", length: "T", steps: 0 } } : {})),
    /is cut into chunks of 0 steps/,
  ],
  [
    "a chunked kernel that reads a loop it is not in",
    () => withKernel(({ chunked, loops }) => ({ loops: chunked ? 2 : loops })),
    /reads the steps of 2 loops, but 0 enclose it/,
  ],
  [
    "a kernel outside loops that reads a loop's step",
    () => withKernel(({ chunked, loops }) => ({ loops: chunked ? loops : 1 })),
    /reads the steps of 1 loops, but 0 enclose it/,
  ],
  ["a choice by an unknown symbol", () => choice("B*K", branch(undefined)), /by B\*K: K is not a symbol/],
  [
    "a choice without a branch for large sizes",
    () => choice("T", branch(3), branch(8)),
    /by T: has no branch for large sizes/,
  ],
  ["a choice without branches", () => choice("T"), /by T: has no branch for large sizes/],
  [
    "a branch after one that covers its sizes",
    () => choice("T", branch(3), branch(3), branch(undefined)),
    /by T: has branches up to 3, 3, Infinity, which do not ascend/,
  ],
  ["a kernel of a branch that does not exist", () => choice("T", branch(undefined, empty)), /kernel 99 does not exist/],
  [
    "an indirect dispatch that reads an input",
    () => indirect({ buffer: 0 }),
    /an indirect dispatch: reads its workgroups from buffer 0, which is not a slab/,
  ],
  [
    "an indirect dispatch that reads a buffer that does not exist",
    () => indirect({ buffer: 99 }),
    /from buffer 99, which is not a slab/,
  ],
  [
    "an indirect dispatch that reads floats",
    () => indirect({ buffer: program.buffers.findIndex(({ name }) => name === "work") }),
    /reads its workgroups as f32/,
  ],
  [
    "an indirect dispatch of two numbers",
    () => indirect({ size: [2] }),
    /reads 2 numbers of workgroups; it must be 1 or 3/,
  ],
  [
    "an indirect dispatch of a symbolic number of numbers",
    () => indirect({ size: [1, "B"] }),
    /reads 1 \+ B numbers of workgroups/,
  ],
])("rejects %s", (_, broken, fault) => {
  expect(() => verifyProgram(broken())).toThrow(fault);
});

test("rejects more buffers than a device can bind", () => {
  expect(() => verifyProgram(program, { ...defaultLimits, storageBuffers: 1 })).toThrow(
    /binds \d buffers; the limit is 1/,
  );
});
