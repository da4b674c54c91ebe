/** @file Kernels of the IR: where values are bound, what a kernel declares, and its WGSL. */
import { describe, expect, test } from "vitest";
import { globalArray, KernelBuilder } from "../../compiler/kernel/builder.ts";
import { kernelFunction } from "../../compiler/kernel/function.ts";
import type { Expr, GridPart, KernelCode, Variable } from "../../compiler/kernel/ir.ts";
import { printKernel } from "../../compiler/kernel/print.ts";
import { functionsOf } from "../../compiler/kernel/walk.ts";
import { kernelText } from "../../shaders/kernel.ts";

const x = globalArray(3, { name: "x", element: "f32" });
const w = globalArray(1, { name: "w", element: "f32" });
const y = globalArray(2, { name: "y", element: "f32" });
const oneToEach: GridPart = { rows: ["B"], rowsPer: 1, columns: [1], lanes: 64 };

const double = kernelFunction("double", ["f32"], "f32", (f, a) => f.add(a, a));
const fourfold = kernelFunction("fourfold", ["f32"], "f32", (f, a) => {
  const twice = f.var("twice", f.call(double, [a]));
  f.if(f.less(f.f32(0), a), () => f.assign(twice, f.call(double, [twice])));
  return twice;
});

const eightfold = kernelFunction("eightfold", ["f32"], "f32", (f, a) => f.call(double, [f.call(fourfold, [a])]));

/** The invocation's row; invocations beyond the last row leave. */
function ownRow(k: KernelBuilder): Variable {
  const row = k.let("row", k.add(k.mul(k.group, k.u32(64)), k.lane));
  k.leaveIf(k.lessEqual(k.size("B"), row));
  return row;
}

/** Sums of rows, times one weight per row. */
function weightedSums(): KernelCode {
  const k = new KernelBuilder();
  k.part(oneToEach, () => {
    const row = ownRow(k);
    const total = k.var("total", k.f32(0));
    const axis = { extent: "T", role: "depth" } as const;
    k.for({ axis, name: "t", first: k.u32(0), end: k.size("T"), step: k.u32(1) }, (t) => {
      const { index } = k;
      const place = index.add(index.of(t, "T"), index.mul(index.of(row, "B"), index.dim("T")));
      const element = k.bind("element", k.load(x, k.bound(place)));
      const weight = k.bind("weight", k.load(w, k.add(row, k.uniform(["B", 4]))));
      k.assign(total, k.add(total, k.mul(element, weight)));
    });
    k.storeElement(y, row, k.call(fourfold, [total]), "add");
  });
  return k.finish(64);
}

test("a value is bound once, before the loops that it does not depend on; one addition remains in a loop", () => {
  expect(printKernel(weightedSums())).toMatchInlineSnapshot(`
    "read w: f32
    read_write y: f32
    read x: f32
    part of ceil(ceil((B) / 1) * (1) / 64) workgroups of 64
      let row: u32 = ((group * 64) + lane)
      leave if (B <= row)
      var total: f32 = 0
      let n1: u32 = (row * T)
      let v4: f32 = w[(row + (B + 4))]
      for t in 0 .. T by 1 (depth of T, serial)
        let n2: u32 = (n1 + t)
        let v3: f32 = x[n2]
        total = (total + (v3 * v4))
      y[row] += fourfold(total)"
  `);
});

test("indices of neighbours differ in a constant that is added last, if asked for", () => {
  const k = new KernelBuilder();
  k.part(oneToEach, () => {
    const { index } = k;
    const place = index.add(index.add(index.of(k.lane), index.dim(3)), index.of(k.uniform(["B", 4])));
    k.storeElement(
      y,
      k.withConstantsLast(() => k.bound(place)),
      k.f32(1),
    );
  });
  expect(printKernel(k.finish(64))).toContain("let n2: u32 = (n1 + 3)");
});

test("a value bound under a key is found in every nested block", () => {
  const k = new KernelBuilder();
  k.part(oneToEach, () => {
    const bound = k.bind("sum", k.add(k.lane, k.group));
    expect(k.bind("sum", k.add(k.lane, k.group))).toBe(bound);
    k.if(k.less(k.lane, k.u32(3)), () => {
      expect(k.bind("sum", k.add(k.lane, k.group))).toBe(bound);
      expect(k.known("sum")).toBe(bound);
      k.remember("inner", k.u32(7));
    });
    expect(k.known("inner")).toBeUndefined();
    expect(k.bind("literal", k.u32(7)), "a literal needs no name").toBe(k.u32(7));
  });
  expect(k.finish(64).parts[0]?.body.map(({ kind }) => kind)).toEqual(["let", "if"]);
});

test("a kernel in WGSL", () => {
  expect(kernelText(weightedSums())).toMatchInlineSnapshot(`
    "struct Sizes {
      at0: u32,
      at1: u32,
      at2: u32,
    }
    @group(0) @binding(0) var<uniform> sizes: Sizes;

    @group(0) @binding(2) var<storage, read> buffer0: array<f32>;
    @group(0) @binding(3) var<storage, read_write> buffer1: array<f32>;
    @group(0) @binding(4) var<storage, read> buffer2: array<f32>;

    fn double(x: f32) -> f32 {
      return (x + x);
    }

    fn fourfold(x: f32) -> f32 {
      var twice: f32 = double(x);
      if ((0.0f < x)) {
        twice = double(twice);
      }
      return twice;
    }

    @compute @workgroup_size(64)
    fn main(
      @builtin(workgroup_id) workgroup_id: vec3<u32>,
      @builtin(num_workgroups) workgroups: vec3<u32>,
      @builtin(local_invocation_index) lane: u32,
    ) {
      let group = workgroup_id.x + workgroup_id.y * workgroups.x;
      let row: u32 = ((group * 64u) + lane);
      if ((sizes.at0 <= row)) {
        return;
      }
      var total: f32 = 0.0f;
      let n1: u32 = (row * sizes.at1);
      let v4: f32 = buffer0[(row + sizes.at2)];
      for (var t: u32 = 0u; t < sizes.at1; t++) {
        let n2: u32 = (n1 + t);
        let v3: f32 = buffer2[n2];
        total = (total + (v3 * v4));
      }
      buffer1[row] += fourfold(total);
    }
    "
  `);
});

/** Two parts: one writes what the other reads, and one uses workgroup memory. */
function twoParts(): KernelCode {
  const k = new KernelBuilder();
  const shared = k.sharedArray("f32", 64);
  k.part({ ...oneToEach, rows: [128], rowsPer: 4, columns: ["N"] }, () => {
    k.bind("doubled", k.call(double, [k.load(x, k.lane)]));
    k.storeElement(shared, k.lane, k.known("doubled") ?? k.f32(0));
    k.if(k.equal(k.lane, k.u32(0)), () => k.storeElement(y, k.group, k.load(shared, k.u32(63))));
  });
  k.part(oneToEach, () => {
    expect(k.known("doubled"), "a value bound in one part is not known in another").toBeUndefined();
    const row = ownRow(k);
    const { first, end } = k.chunk(0);
    const axis = { extent: 9, role: "time" } as const;
    k.for({ axis, mapping: "time", name: "count", first, end, step: k.u32(3) }, (count) => {
      const inner = k.convert(k.add(count, k.stepCount(1)), "f32");
      k.storeElement(w, row, k.add(k.load(y, row), inner));
    });
  });
  return k.finish(64);
}

test("parts are functions, each with its range of workgroups", () => {
  expect(kernelText(twoParts())).toMatchInlineSnapshot(`
    "struct Sizes {
      at0: u32,
      at1: u32,
    }
    @group(0) @binding(0) var<uniform> sizes: Sizes;
    struct Step {
      count0: u32,
      count1: u32,
      end: u32,
    }
    @group(0) @binding(1) var<uniform> step: Step;

    @group(0) @binding(2) var<storage, read_write> buffer0: array<f32>;
    @group(0) @binding(3) var<storage, read_write> buffer1: array<f32>;
    @group(0) @binding(4) var<storage, read> buffer2: array<f32>;

    var<workgroup> shared0_64_f32: array<f32, 64>;

    fn double(x: f32) -> f32 {
      return (x + x);
    }

    fn part0(group: u32, lane: u32) {
      let v1: f32 = double(buffer2[lane]);
      shared0_64_f32[lane] = v1;
      workgroupBarrier();
      if ((lane == 0u)) {
        buffer1[group] = shared0_64_f32[63u];
      }
    }

    fn part1(group: u32, lane: u32) {
      let row: u32 = ((group * 64u) + lane);
      if ((sizes.at1 <= row)) {
        return;
      }
      for (var count: u32 = step.count0; count < step.end; count += 3u) {
        buffer0[row] = (buffer1[row] + f32((count + step.count1)));
      }
    }

    @compute @workgroup_size(64)
    fn main(
      @builtin(workgroup_id) workgroup_id: vec3<u32>,
      @builtin(num_workgroups) workgroups: vec3<u32>,
      @builtin(local_invocation_index) lane: u32,
    ) {
      let group = workgroup_id.x + workgroup_id.y * workgroups.x;
      let end0 = 0u + (((128u + 3u) / 4u) * sizes.at0 + 63u) / 64u;
      if (group < end0) {
        part0(group - 0u, lane);
      }
      let end1 = end0 + (sizes.at1 * 1u + 63u) / 64u;
      if (group >= end0 && group < end1) {
        part1(group - end0, lane);
      }
    }
    "
  `);
});

describe("a kernel declares", () => {
  test("its buffers in order, as read_write if any part writes them", () => {
    const named = (code: KernelCode) => code.buffers.map(({ array: { name }, access }) => `${access} ${name}`);
    expect(named(weightedSums())).toEqual(["read w", "read_write y", "read x"]);
    expect(named(twoParts())).toEqual(["read_write w", "read_write y", "read x"]);
  });

  test("its sizes, and those of the grids if it has several parts", () => {
    expect(weightedSums().uniforms).toEqual([["B"], ["T"], ["B", 4]]);
    expect(twoParts().uniforms).toEqual([["N"], ["B"]]);
    const alone = new KernelBuilder();
    alone.part(oneToEach, () => alone.storeElement(y, alone.lane, alone.f32(0)));
    expect(alone.finish(64).uniforms, "a kernel of one part need not count its workgroups").toEqual([]);
    const placed = new KernelBuilder();
    placed.part(oneToEach, () => placed.storeElement(y, placed.add(placed.lane, placed.uniform(["T"])), placed.f32(0)));
    expect(placed.finish(64).uniforms, "where a value is stored").toEqual([["T"]]);
  });

  test("functions before their callers, each once", () => {
    const k = new KernelBuilder();
    k.part(oneToEach, () => {
      k.storeElement(y, k.lane, k.call(fourfold, [k.f32(1)]));
      k.storeElement(y, k.group, k.call(double, [k.call(eightfold, [k.f32(2)])]));
    });
    expect(functionsOf(k.finish(64).parts).map(({ name }) => name)).toEqual(["double", "fourfold", "eightfold"]);
    const alone = new KernelBuilder();
    alone.part(oneToEach, () => alone.storeElement(y, alone.lane, alone.call(eightfold, [alone.f32(1)])));
    expect(functionsOf(alone.finish(64).parts)).toEqual([double, fourfold, eightfold]);
  });
});

test("the variable of a loop over lanes differs between invocations; that of a serial loop is uniform", () => {
  const k = new KernelBuilder();
  const found: Record<string, boolean> = {};
  const [first, end, step] = [k.u32(0), k.u32(9), k.u32(1)];
  const axis = { extent: 9, role: "positions" } as const;
  k.part(oneToEach, () => {
    const head = { axis, name: "i", end, step };
    const note = (name: string) => (i: Expr) => {
      found[name] = i.isUniform;
    };
    k.for({ ...head, first }, note("in order"));
    k.for({ ...head, first, mapping: "lanes" }, note("lanes"));
    k.for({ ...head, first: k.lane }, note("from the lane on"));
    found.register = k.var("v", k.u32(0)).isUniform;
    found.let = k.let("n", k.u32(0)).isUniform;
  });
  expect(found).toEqual({ "in order": true, lanes: false, "from the lane on": false, register: false, let: true });
});

test("parts share workgroup memory, since a workgroup runs one of them", () => {
  const k = new KernelBuilder();
  for (const [length, slots] of [
    [8, 1],
    [8, 1],
    [8, 2],
  ] as const)
    k.part(oneToEach, () => {
      const arrays = [k.sharedArray("f32", length, slots), k.sharedArray("f32", length, slots)];
      expect(new Set(arrays).size).toBe(2);
    });
  expect(k.finish(64).shared.map(({ slots }) => slots)).toEqual([1, 1, 2, 2]);
});
