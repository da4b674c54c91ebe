/** @file Programs for the CPU with hand-written kernels, to test the runtime. */
import type { CpuKernel, CpuProgram, Dispatch, Step } from "../../compiler/plan/program.ts";
import type { ModuleMemory } from "../../runtime/cpu/context.ts";
import { encodeModule } from "../../wasm/encode.ts";
import type { Instruction, WasmFunction } from "../../wasm/instruction.ts";
import { assign, constant, exported, local, locals, instruction as of } from "../wasm/modules.ts";

/** A word of the dispatch's record. */
export const given = (word: number) => of("i32.load", [local("record")], { offset: 4 * word });

const add = (a: Instruction, b: Instruction) => of("i32.add", [a, b]);
const mul = (a: Instruction, b: number) => of("i32.mul", [a, constant(b)]);

/** Address of the vector of workgroup `g` in a binding. */
export const vectorAt = (binding: number) => add(given(binding), mul(local("g"), 16));
export const vector = (binding: number) => of("v128.load", [vectorAt(binding)]);

/** A kernel's function that runs `body` in each workgroup `g`. */
export function kernelFunction(name: string, body: readonly Instruction[], rest: readonly string[] = []): WasmFunction {
  return exported(
    name,
    [
      assign("g", local("first")),
      {
        kind: "block",
        label: "done",
        body: [
          {
            kind: "loop",
            label: "next",
            body: [
              of("br_if", [of("i32.ge_u", [local("g"), local("end")])], { name: "done" }),
              ...body,
              assign("g", add(local("g"), constant(1))),
              of("br", [], { name: "next" }),
            ],
          },
        ],
      },
    ],
    { parameters: locals("i32", "record", "scratch", "first", "end"), locals: locals("i32", "g", ...rest) },
  );
}

/** Address of a workgroup's flag in the first binding; they are far apart. */
const flag = (group: Instruction) => add(given(0), mul(group, 64));
const store = (binding: number, value: Instruction) => of("v128.store", [vectorAt(binding), value]);
const splat = (value: number) => of("f32x4.splat", [of("f32.const", [], { value })]);
/** y = 2 x + y, four at a time. */
const saxpy = kernelFunction("saxpy", [store(1, of("f32x4.add", [of("f32x4.mul", [splat(2), vector(0)]), vector(1)]))]);
/** y = y / 3 + the loop's step. */
const decay = kernelFunction("decay", [
  store(
    0,
    of("f32x4.add", [of("f32x4.div", [vector(0), splat(3)]), of("f32x4.splat", [of("f32.convert_i32_s", [given(2)])])]),
  ),
]);
/** The two parts of a grid: the first writes 5, the second adds 7, each to a separate buffer. */
const five = kernelFunction("five", [store(0, splat(5))]);
const seven = kernelFunction("seven", [store(1, of("f32x4.add", [vector(1), splat(7)]))]);
/** y += 10 (end - first) of its chunk. */
const chunk = kernelFunction("chunk", [
  store(
    0,
    of("f32x4.add", [
      vector(0),
      of("f32x4.splat", [of("f32.convert_i32_s", [mul(of("i32.sub", [given(3), given(2)]), 10)])]),
    ]),
  ),
]);
/** Writes numbers of workgroups for later dispatches: that of the uniform, then 2, then 1. */
const count = kernelFunction("count", [
  of("i32.store", [given(0), given(2)]),
  of("i32.store", [given(0), constant(2)], { offset: 4 }),
  of("i32.store", [given(0), constant(1)], { offset: 8 }),
]);
/** y += 1 + the length of y - the uniform, through scratch memory. */
const one = kernelFunction("one", [
  of("v128.store", [
    local("scratch"),
    of("f32x4.add", [
      vector(0),
      of("f32x4.splat", [of("f32.convert_i32_s", [add(constant(1), of("i32.sub", [given(1), given(2)]))])]),
    ]),
  ]),
  store(0, of("v128.load", [local("scratch")])),
]);
const trap = kernelFunction("trap", [of("unreachable")]);
/** Sets its flag, and waits a long time for the flag of the other workgroup: 1 if it was set. */
const meet = kernelFunction(
  "meet",
  [
    of("i32.store", [flag(local("g")), constant(1)]),
    assign("turns", constant(0)),
    {
      kind: "block",
      label: "met",
      body: [
        {
          kind: "loop",
          label: "wait",
          body: [
            of("br_if", [of("i32.load", [flag(of("i32.xor", [local("g"), constant(1)]))])], { name: "met" }),
            assign("turns", add(local("turns"), constant(1))),
            of("br_if", [of("i32.lt_u", [local("turns"), given(4)])], { name: "wait" }),
          ],
        },
      ],
    },
    of("v128.store", [
      vectorAt(1),
      of("f32x4.splat", [of("f32.convert_i32_s", [of("i32.lt_u", [local("turns"), given(4)])])]),
    ]),
  ],
  ["turns"],
);
/** Never ends. */
const forever = kernelFunction("forever", [{ kind: "loop", label: "again", body: [of("br", [], { name: "again" })] }]);

const functions = [saxpy, decay, five, seven, chunk, count, one, trap, meet, forever];

/** Work that is large enough to be shared among threads. */
export const workOf = (flops: string | number) => ({ flops: [flops], bytes: [0] });

export function kernel(name: string, rest: Partial<CpuKernel>): CpuKernel {
  return {
    name: `k_${name}`,
    label: name,
    site: undefined,
    about: "",
    functions: [name],
    bindings: [],
    uniforms: [],
    loops: 0,
    chunked: false,
    scratchBytes: 16,
    work: workOf("100*N"),
    ...rest,
  };
}

const quarter = { rows: ["N"], rowsPer: 1, columns: [1], lanes: 4 } as const;

export function dispatch(kernelIndex: number, rest: Partial<Dispatch> = {}): Dispatch {
  return { kind: "dispatch", kernel: kernelIndex, grid: [quarter], phase: "forward", ...rest };
}

const buffer = (name: string, role: "slab" | "input", size: readonly (string | number)[]) =>
  ({ name, element: "f32", bytes: 4, size, role }) as const;

/** Buffers: the inputs x and y have N numbers each; `pair` has twice as many, and `count` has four. */
const [x, y, pair, counts, extra] = [0, 1, 2, 3, 5];

const at = (index: number, offset: readonly (string | number)[] = [0], size: readonly (string | number)[] = ["N"]) => ({
  buffer: index,
  offset,
  size,
});

/** Numbers of the kernels of `everyStep`, for other steps. */
export const kernels = {
  saxpy: 0,
  decay: 1,
  parts: 2,
  chunk: 3,
  count: 4,
  one: 5,
  trap: 6,
  meet: 7,
  forever: 8,
  saxpyExtra: 9,
} as const;

/**
 * A program with every kind of step; `rest` changes it. Its outputs: y, donated; the whole of `pair`; and the first
 * four numbers of its second half.
 */
export function everyStep(memory: ModuleMemory, rest: Partial<CpuProgram> = {}): CpuProgram {
  const read = { access: "read" } as const;
  const write = { access: "read_write" } as const;
  const own = [
    kernel("saxpy", {
      bindings: [
        { buffer: x, ...read },
        { buffer: y, ...write },
      ],
    }),
    kernel("decay", { bindings: [{ buffer: y, ...write }], loops: 1 }),
    kernel("parts", {
      functions: ["five", "seven"],
      bindings: [
        { buffer: extra, ...write },
        { buffer: y, ...write },
      ],
    }),
    kernel("chunk", { bindings: [{ buffer: y, ...write }], loops: 1, chunked: true }),
    kernel("count", {
      bindings: [{ buffer: counts, ...write }],
      uniforms: [{ name: "n", value: [3] }],
      work: workOf(1),
    }),
    kernel("one", { bindings: [{ buffer: y, ...write }], uniforms: [{ name: "n", value: ["N"] }] }),
    kernel("trap", {}),
    kernel("meet", {
      bindings: [
        { buffer: pair, ...write },
        { buffer: y, ...write },
      ],
      uniforms: [{ name: "turns", value: [2_000_000_000] }],
      work: workOf(1e9),
    }),
    kernel("forever", {}),
    kernel("saxpy", {
      bindings: [
        { buffer: extra, ...read },
        { buffer: y, ...write },
      ],
    }),
  ];
  const single = { rows: [1], rowsPer: 1, columns: [1], lanes: 4 } as const;
  const steps: Step[] = [
    dispatch(kernels.saxpy),
    dispatch(kernels.parts, { grid: [quarter, { ...single, rows: [2], lanes: 1 }] }),
    dispatch(kernels.saxpyExtra),
    { kind: "loop", length: "T", reverse: false, body: [dispatch(kernels.decay)], otherwise: [dispatch(kernels.one)] },
    {
      kind: "choose",
      dim: "N",
      branches: [
        { atMost: 8, steps: [dispatch(kernels.one)] },
        { atMost: undefined, steps: [dispatch(kernels.one), dispatch(kernels.one)] },
      ],
    },
    dispatch(kernels.chunk, { chunks: { scan: "cell", length: "T", steps: 3 } }),
    { kind: "copy", from: at(y), to: at(pair, ["N"]) },
    dispatch(kernels.count, { grid: [single] }),
    dispatch(kernels.one, { indirect: at(counts, [0], [1]) }),
    dispatch(kernels.one, { indirect: at(counts, [0], [3]) }),
    { kind: "copy", from: at(y), to: at(pair) },
  ];
  return {
    version: 1,
    name: "everyStep",
    symbols: ["N", "T"],
    requires: [],
    buffers: [
      buffer("x", "input", ["N"]),
      buffer("y", "input", ["N"]),
      buffer("pair", "slab", ["2*N"]),
      buffer("count", "slab", [4]),
      buffer("time", "input", ["T"]),
      buffer("extra", "slab", ["N"]),
    ],
    inputs: [
      { name: "x", dtype: "f32", shape: ["N"], buffer: x },
      { name: "y", dtype: "f32", shape: ["N"], buffer: y },
      { name: "time", dtype: "f32", shape: ["T"], buffer: 4 },
    ],
    outputs: [
      { dtype: "f32", shape: ["N"], location: at(y), donated: "y" },
      { dtype: "f32", shape: ["2*N"], location: at(pair, [0], ["2*N"]), donated: undefined },
      { dtype: "f32", shape: [4], location: at(pair, ["N"], [4]), donated: undefined },
    ],
    kernels: own,
    schedules: [],
    steps,
    module: encodeModule({ functions }, memory),
    ...rest,
  };
}

/** The results of `everyStep`, in single precision like the kernels. */
export function expected(xs: readonly number[], ys: readonly number[], T: number): { y: number[]; pair: number[] } {
  const f = Math.fround;
  const n = xs.length;
  let values = xs.map((value, i) => f(f(2 * value) + f(ys[i] ?? 0)));
  values = values.map((value, i) => f(10 + (i < 8 ? f(value + 7) : value)));
  for (let t = 0; t < T; t++) values = values.map((value) => f(f(value / 3) + t));
  const ones = (T === 0 ? 1 : 0) + (n <= 8 ? 1 : 2);
  for (let i = 0; i < ones; i++) values = values.map((value) => f(value + 1));
  for (let t = 0; t < Math.max(T, 1); t += 3) values = values.map((value) => f(value + 10 * (Math.min(t + 3, T) - t)));
  const copied = values;
  // Three workgroups of four, and twice as many.
  for (const groups of [3, 6]) values = values.map((value, i) => (i < 4 * groups ? f(value + 1) : value));
  return { y: values, pair: [...values, ...copied] };
}
