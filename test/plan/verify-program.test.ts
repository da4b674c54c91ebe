/** @file Programs that break WebGPU's rules or their own: each rule refuses one, before a device has seen it. */
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
const graph = traceGraph("sound", inputs, ([x, w]) => {
  const step = ([h]: readonly Tensor[], [row]: readonly Tensor[]) => {
    const next = tanh(add(dot(h as Float, w as Float), row as Float));
    return { carries: [next], ys: [] };
  };
  const { carries } = scanTensors(step, [zeros(["B", 4])], [x as Float]);
  return [mul(w as Float, 0.9), sum(carries[0] as Float)];
});
const program = compileProgram(graph, { donate: { w: 0 } });

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
/** The program, whose slab of whole numbers and dispatches say how many workgroups there are. */
const indirect = (location: Partial<Location>): Program => {
  const buffer = program.buffers.findIndex(({ element, role }) => element === "u32" && role === "slab");
  const indirect: Location = { buffer, offset: [0], size: [1], ...location };
  return withSteps((step) => (step.kind === "dispatch" ? { indirect } : {}));
};
const twoBuffers = (kernel: Kernel) => kernel.bindings.length > 1;

test("a sound program passes", () => {
  expect(verifyProgram(program)).toBe(program);
  const sound = [choice("B*T", branch(3), branch(4), branch(undefined)), indirect({}), indirect({ size: [3] })];
  for (const one of sound) expect(verifyProgram(one)).toBe(one);
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
    "more workgroup memory than there is",
    () => withKernel(() => ({ workgroupBytes: defaultLimits.workgroupBytes + 4 })),
    /takes 16388 bytes of workgroup memory/,
  ],
  [
    "more invocations than a workgroup may have",
    () => withKernel(() => ({ workgroupSize: 257 })),
    /has 257 invocations a workgroup/,
  ],
  [
    "an input that lies in a slab",
    () => ({ ...program, buffers: program.buffers.map((buffer) => ({ ...buffer, role: "slab" })) }),
    /input x: has no buffer of its own/,
  ],
  [
    "an input whose buffer has another size",
    () => ({ ...program, buffers: program.buffers.map((buffer) => ({ ...buffer, size: [1, "B"] })) }),
    /input x: has a buffer of another size/,
  ],
  [
    "a copy to nowhere",
    () => ({ ...program, steps: [copy(0, 99)] }),
    /a copy: lies in buffer 99, which does not exist/,
  ],
  [
    "a copy from nowhere",
    () => ({ ...program, steps: [copy(99, 0)] }),
    /a copy: lies in buffer 99, which does not exist/,
  ],
  ["a copy within a buffer", () => ({ ...program, steps: [copy(2, 2)] }), /source and destination are one buffer/],
  [
    "an output that does not exist",
    () => withOutput(1, { location: { buffer: 99, offset: [0], size: [1] } }),
    /output 1: lies in buffer 99/,
  ],
  [
    "a result in an input's buffer",
    () => withOutput(1, { location: at(program.outputs, 0).location }),
    /output 1: lies in an input's buffer/,
  ],
  [
    "a donated output in a slab",
    () => withOutput(0, { location: at(program.outputs, 1).location }),
    /output 0: is donated but lies in a slab/,
  ],
  ["a kernel that does not exist", () => withSteps(() => ({ kernel: 99 })), /kernel 99 does not exist/],
  [
    "one that runs instead of a loop",
    () => {
      const missing = { kind: "dispatch", kernel: 99, grid: [], phase: "forward" } as const;
      const loop = { kind: "loop", length: "T", reverse: false, body: [], otherwise: [missing] } as const;
      return { ...program, steps: [loop] };
    },
    /kernel 99 does not exist/,
  ],
  [
    "a kernel that is not told its chunk",
    () => withSteps(() => ({ chunks: undefined })),
    /runs a chunk of a loop and is not told which/,
  ],
  [
    "chunks of a kernel that runs no loop",
    () => withSteps((step) => (isChunked(step) ? {} : { chunks: { scan: "sound", length: "T", steps: 3 } })),
    /is cut into chunks and runs no loop/,
  ],
  [
    "chunks of no steps",
    () => withSteps((step) => (isChunked(step) ? { chunks: { scan: "sound", length: "T", steps: 0 } } : {})),
    /is cut into chunks of 0 steps/,
  ],
  [
    "a step of a loop that is not there",
    () => withKernel(({ chunked, loops }) => ({ loops: chunked ? 2 : loops })),
    /reads the steps of 2 loops, around it are 0/,
  ],
  [
    "a step of a loop around a kernel that stands in none",
    () => withKernel(({ chunked, loops }) => ({ loops: chunked ? loops : 1 })),
    /reads the steps of 1 loops, around it are 0/,
  ],
  ["a choice by a size that there is not", () => choice("B*K", branch(undefined)), /by B\*K: K is no size/],
  ["a choice that leaves sizes out", () => choice("T", branch(3), branch(8)), /by T: has no branch for large sizes/],
  ["a choice of nothing", () => choice("T"), /by T: has no branch for large sizes/],
  [
    "a branch behind one that takes its sizes",
    () => choice("T", branch(3), branch(3), branch(undefined)),
    /by T: has branches up to 3, 3, Infinity, which do not ascend/,
  ],
  ["a kernel of a branch that does not exist", () => choice("T", branch(undefined, empty)), /kernel 99 does not exist/],
  [
    "workgroups that the caller counts",
    () => indirect({ buffer: 0 }),
    /an indirect dispatch: reads its workgroups in buffer 0, which is no slab/,
  ],
  ["workgroups in a buffer that does not exist", () => indirect({ buffer: 99 }), /in buffer 99, which is no slab/],
  [
    "workgroups that are no whole numbers",
    () => indirect({ buffer: program.buffers.findIndex(({ name }) => name === "work") }),
    /reads its workgroups as f32/,
  ],
  ["two numbers of workgroups", () => indirect({ size: [2] }), /reads 2 numbers of workgroups; there are 1 or 3/],
  ["workgroups by sizes", () => indirect({ size: [1, "B"] }), /reads 1 \+ B numbers of workgroups/],
])("refused is %s", (_, broken, fault) => {
  expect(() => verifyProgram(broken())).toThrow(fault);
});

test("refused are more buffers than a device binds", () => {
  expect(() => verifyProgram(program, { ...defaultLimits, storageBuffers: 1 })).toThrow(
    /binds \d buffers, allowed are 1/,
  );
});
