/**
 * @file Shaders that only one of WebGPU's two compilers accepts: Tint in Dawn (Chrome, Node) or naga in wgpu (Deno). The
 * emitted kernels avoid all of them, and the test fails when one of the two changes its behaviour.
 */

export interface Difference {
  /** As docs/hosts.md lists it. */
  readonly name: string;
  readonly takenBy: "Dawn" | "wgpu";
  /** Firefox 153 has a newer wgpu than Deno 2.9. */
  readonly isRefusedByFirefox?: true;
  readonly wgsl: string;
}

/** A compute shader around one statement, which can read and write x[lane]. */
function shader(statement: string, declarations = ""): string {
  return `${declarations}
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(4) fn main(@builtin(local_invocation_index) lane: u32) {
  ${statement}
}`;
}

const parentheses = 200;

export const differences: readonly Difference[] = [
  {
    name: "subgroup functions",
    takenBy: "Dawn",
    wgsl: shader("x[lane] = subgroupBroadcast(x[lane], 0u);", "enable subgroups;"),
  },
  {
    name: "a function that takes a pointer into storage or workgroup memory",
    takenBy: "Dawn",
    wgsl: shader("put(&x[lane]);", "fn put(p: ptr<storage, f32, read_write>) { *p = 1f; }"),
  },
  {
    name: "a constant index out of bounds, named by a `let`",
    takenBy: "Dawn",
    wgsl: shader("var a: array<f32, 4>; let i = 4u; x[lane] = a[i];"),
  },
  {
    name: "a constant shift by 32 or more, named by a `let`",
    takenBy: "Dawn",
    wgsl: shader("let n = 32u; x[lane] = f32(1u << n);"),
  },
  {
    name: "an array of scalars in a uniform",
    takenBy: "Dawn",
    wgsl: shader("x[lane] = s.a[lane];", "struct S { a: array<f32, 4> }; @group(0) @binding(1) var<uniform> s: S;"),
  },
  {
    name: "`bitcast` in a `const`",
    takenBy: "Dawn",
    wgsl: shader("x[lane] = f32(bits);", "const bits = bitcast<u32>(1.0f);"),
  },
  {
    name: "a barrier in control flow that is not uniform",
    takenBy: "wgpu",
    wgsl: shader("if (x[lane] > 0f) { workgroupBarrier(); }"),
  },
  {
    name: "a loop with no exit",
    takenBy: "wgpu",
    wgsl: shader("loop { x[lane] = 1f; }"),
  },
  {
    name: "`bitcast` of a constant to infinity or NaN",
    takenBy: "wgpu",
    wgsl: shader("x[lane] = bitcast<f32>(0x7f800000u);"),
  },
  {
    name: "an integer's remainder by a constant 0",
    takenBy: "wgpu",
    isRefusedByFirefox: true,
    wgsl: shader("x[lane] = f32(i32(lane) % 0i);"),
  },
  {
    name: "an array of 65,536 elements or more outside storage",
    takenBy: "wgpu",
    wgsl: shader("a[lane] = 1f; x[lane] = a[0];", "var<private> a: array<f32, 65536>;"),
  },
  {
    name: "parentheses nested more than 128 deep",
    takenBy: "wgpu",
    isRefusedByFirefox: true,
    wgsl: shader(`x[lane] = ${"(".repeat(parentheses)}1f${")".repeat(parentheses)};`),
  },
];

/** Both compilers agree on these; they verify the harness itself. */
export const agreements = {
  taken: shader("x[lane] = 2f * x[lane];"),
  refused: shader("x[lane] = 2i * x[lane];"),
};
