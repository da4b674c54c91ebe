/**
 * @file The evaluator checks every memory access of a kernel: each fault is planted in a kernel, next to valid
 * accesses.
 */
import { expect, test } from "vitest";
import { globalArray, KernelBuilder } from "../../compiler/kernel/builder.ts";
import { EvaluatedKernel } from "../../compiler/kernel/evaluate/kernel.ts";
import { BufferMemory, Clock } from "../../compiler/kernel/evaluate/memory.ts";
import type { Expr, GlobalArray, Statement } from "../../compiler/kernel/ir.ts";

const length = 8;
const size = 4;

interface Arrays {
  /** Holds its indices times ten. */
  readonly given: GlobalArray;
  /** Uninitialized. */
  readonly made: GlobalArray;
}

type Write = (k: KernelBuilder, arrays: Arrays) => void;

/** Marks where a barrier is placed. Derived barriers are removed, since the kernels here are faulty on purpose. */
const barrier = (k: KernelBuilder) => k.let("barrier", k.bool(true));

function withOwnBarriers(body: readonly Statement[]): Statement[] {
  return body.flatMap((statement): Statement[] => {
    if (statement.kind === "barrier") return [];
    if (statement.kind === "let" && statement.variable.name === "barrier") return [{ kind: "barrier" }];
    return ["body" in statement ? { ...statement, body: withOwnBarriers(statement.body) } : statement];
  });
}

/** Runs a kernel of `groups` workgroups of 4 lanes, and returns the contents of `made`. */
function run(write: Write, groups = 2): readonly number[] {
  const k = new KernelBuilder();
  const given = globalArray(0, { name: "given", element: "u32" });
  const made = globalArray(1, { name: "made", element: "u32" });
  k.part({ rows: [groups], rowsPer: 1, columns: [1], lanes: 1 }, () => write(k, { given, made }));
  const clock = new Clock();
  const derived = k.finish(size);
  const code = { ...derived, parts: derived.parts.map((part) => ({ ...part, body: withOwnBarriers(part.body) })) };
  const kernel = new EvaluatedKernel("k0_test", code, clock, { subgroupSize: 2, maxWorkgroups: 65535 });
  const numbers = Uint32Array.from({ length }, (_, i) => 10 * i);
  const buffers = [
    new BufferMemory(clock, "given", numbers, true),
    new BufferMemory(clock, "made", new Uint32Array(length), false),
  ];
  kernel.run({ buffers, sizes: {}, counts: [], end: 0 });
  return [...(buffers[1]?.data ?? [])];
}

const own = (k: KernelBuilder) => k.add(k.mul(k.group, k.u32(size)), k.lane);
const isFirst = (k: KernelBuilder) => k.equal(k.lane, k.u32(0));
const shared = (k: KernelBuilder) => k.sharedArray("u32", size);
const loop = (k: KernelBuilder, first: Expr, end: Expr, write: (i: Expr) => void, step = 1) =>
  k.for({ axis: { extent: size, role: "depth" }, name: "i", first, end, step: k.u32(step) }, write);
const other = (k: KernelBuilder) => k.bitXor(k.lane, k.u32(1));

test.each<[string, Write, readonly number[]]>([
  [
    "each lane its own element",
    (k, { given, made }) => k.storeElement(made, own(k), k.load(given, own(k))),
    tens(0, 8),
  ],
  [
    "all lanes the same number",
    (k, { given, made }) => {
      loop(k, k.u32(0), k.u32(length), (i) => k.storeElement(made, i, k.load(given, i)));
    },
    tens(0, 8),
  ],
  [
    "reads of a neighbour's writes after a barrier, twice",
    (k, { given, made }) => {
      const array = shared(k);
      k.storeElement(array, k.lane, k.load(given, own(k)));
      barrier(k);
      const first = k.let("first", k.load(array, other(k)));
      barrier(k);
      k.storeElement(array, k.lane, first);
      barrier(k);
      k.storeElement(made, own(k), k.load(array, other(k)));
    },
    tens(0, 8),
  ],
  [
    "discarded reads out of bounds and of uninitialized elements",
    (k, { given, made }) => {
      const array = shared(k);
      const values = [k.load(given, k.u32(99)), k.load(array, k.lane), k.load(array, k.u32(99)), k.load(made, own(k))];
      const dropped = values.map((value, i) => k.let(`v${i}`, k.select(isFirst(k), k.u32(1), k.add(value, k.u32(1)))));
      const sum = dropped.reduce<Expr>((total, value) => k.add(total, value), k.u32(0));
      k.if(isFirst(k), () => k.storeElement(made, own(k), sum));
    },
    [4, 0, 0, 0, 4, 0, 0, 0],
  ],
  [
    "a discarded read of what another lane overwrites",
    (k, { given, made }) => {
      const array = shared(k);
      k.storeElement(array, k.lane, k.load(given, k.lane));
      barrier(k);
      const seen = k.let("seen", k.load(array, other(k)));
      k.storeElement(array, k.lane, k.u32(7));
      k.storeElement(made, own(k), k.select(k.less(k.u32(9), k.lane), seen, k.load(array, k.lane)));
    },
    [7, 7, 7, 7, 7, 7, 7, 7],
  ],
  [
    "elements that other lanes of the workgroup read before a barrier",
    (k, { given }) => {
      const kept = shared(k);
      k.storeElement(kept, k.lane, k.load(given, k.u32(0)));
      barrier(k);
      k.if(k.and(isFirst(k), k.equal(k.group, k.u32(0))), () => k.storeElement(given, k.u32(0), k.u32(3)));
    },
    [0, 0, 0, 0, 0, 0, 0, 0],
  ],
  [
    "the number of the lane next to it",
    (k, { given, made }) => k.storeElement(made, own(k), k.let("x", k.fromLaneXor(k.load(given, own(k)), 1))),
    [10, 0, 30, 20, 50, 40, 70, 60],
  ],
  [
    "a number of another lane of the subgroup",
    (k, { given, made }) => k.storeElement(made, own(k), k.let("x", k.fromLane(k.load(given, own(k)), 1))),
    [10, 10, 30, 30, 50, 50, 70, 70],
  ],
])("no fault: %s", (name, write, expected) => {
  expect(run(write, name.startsWith("elements") ? 1 : 2)).toEqual(expected);
});

function tens(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => 10 * (first + i));
}

test.each<[string, Write, string]>([
  [
    "a read outside a buffer",
    (k, { given, made }) => k.storeElement(made, own(k), k.load(given, k.add(own(k), k.u32(1)))),
    "kernel k0_test, given[8]: read out of bounds: it has 8 elements",
  ],
  [
    "a write outside a buffer",
    (k, { made }) => k.storeElement(made, k.add(own(k), k.u32(1)), k.u32(1)),
    "kernel k0_test, made[8]: written out of bounds: it has 8 elements",
  ],
  [
    "a read of an uninitialized element of a buffer",
    (k, { made }) => k.storeElement(made, own(k), k.load(made, own(k)), "add"),
    "made[0]: read before it was written",
  ],
  [
    "an addition to an uninitialized element",
    (k, { made }) => k.storeElement(made, own(k), k.u32(1), "add"),
    "made[0]: read before it was written",
  ],
  [
    "two lanes that write different numbers",
    (k, { made }) => k.storeElement(made, k.group, k.lane),
    "made[0]: lane 1 of workgroup 0 and lane 0 of workgroup 0 both write it",
  ],
  [
    "a read of what another workgroup writes",
    (k, { made }) => {
      k.storeElement(made, own(k), k.u32(1));
      const seen = k.let("seen", k.load(made, k.lane));
      k.storeElement(made, own(k), seen);
    },
    "made[0]: lane 0 of workgroup 1 reads what lane 0 of workgroup 0 writes",
  ],
  [
    "a read of what another workgroup overwrites later",
    (k, { given, made }) => {
      const place = k.sub(k.u32(length - 1), own(k));
      k.storeElement(made, own(k), k.load(given, own(k)));
      k.if(k.equal(k.group, k.u32(1)), () => k.storeElement(given, place, k.u32(5)));
    },
    "given[0]: lane 0 of workgroup 0 reads what lane 3 of workgroup 1 writes",
  ],
  [
    "a read of what a lane of the same workgroup wrote to a buffer: barriers order only workgroup memory",
    (k, { made }) => {
      k.storeElement(made, own(k), k.u32(1));
      barrier(k);
      const seen = k.let("seen", k.load(made, k.bitXor(own(k), k.u32(1))));
      k.storeElement(made, own(k), seen);
    },
    "made[1]: lane 0 of workgroup 0 reads what lane 1 of workgroup 0 writes",
  ],
  [
    "uninitialized workgroup memory",
    (k, { made }) => k.storeElement(made, own(k), k.load(shared(k), k.lane)),
    "shared0_4_u32[0]: lane 0 reads it before it was written",
  ],
  [
    "memory of the previous workgroup",
    (k, { made }) => {
      const array = shared(k);
      k.if(k.equal(k.group, k.u32(0)), () => k.storeElement(array, k.lane, k.u32(1)));
      k.storeElement(made, own(k), k.load(array, k.lane));
    },
    "shared0_4_u32[0]: lane 0 reads it before it was written",
  ],
  [
    "a slot that does not exist",
    (k, { made }) => {
      const array = k.sharedArray("u32", size, 2);
      k.storeInSlot(array, k.group, k.lane, k.u32(1));
      k.storeElement(made, own(k), k.load(array, k.lane, k.u32(2)));
    },
    "shared0_2x4_u32[0]: out of bounds: slot 2 of 2",
  ],
  [
    "an index beyond a slot",
    (k) => k.storeInSlot(k.sharedArray("u32", size, 2), k.u32(0), k.add(k.lane, k.u32(1)), k.u32(1)),
    "shared0_2x4_u32[4]: out of bounds: a slot has 4 elements",
  ],
  [
    "a read outside workgroup memory",
    (k, { made }) => k.storeElement(made, own(k), k.load(shared(k), k.u32(size))),
    "shared0_4_u32[4]: read out of bounds: it has 4 elements",
  ],
  [
    "a write outside workgroup memory",
    (k) => k.storeElement(shared(k), k.add(k.lane, k.u32(1)), k.u32(1)),
    "shared0_4_u32[4]: written out of bounds: it has 4 elements",
  ],
  [
    "a read of what another lane wrote, without a barrier",
    (k, { made }) => {
      const array = shared(k);
      k.storeElement(array, k.lane, k.u32(1));
      k.storeElement(made, own(k), k.load(array, other(k)));
    },
    "shared0_4_u32[1]: lane 0 reads what lane 1 writes without a barrier between",
  ],
  [
    "a read of what another lane overwrites, without a barrier",
    (k, { made }) => {
      const array = shared(k);
      k.storeElement(array, k.lane, k.u32(1));
      barrier(k);
      const seen = k.let("seen", k.load(array, other(k)));
      k.storeElement(array, k.lane, k.u32(2));
      k.storeElement(made, own(k), seen);
    },
    "shared0_4_u32[1]: lane 0 reads what lane 1 writes without a barrier between",
  ],
  [
    "two lanes that write one element",
    (k) => k.storeElement(shared(k), k.u32(0), k.u32(1)),
    "shared0_4_u32[0]: lane 1 writes what lane 0 wrote without a barrier between",
  ],
  [
    "a barrier that some lanes do not reach",
    (k) => k.if(k.less(k.lane, k.u32(3)), () => barrier(k)),
    "3 of 4 lanes of a workgroup reach a barrier",
  ],
  [
    "a barrier after lanes have left",
    (k) => {
      k.leaveIf(isFirst(k));
      barrier(k);
    },
    "3 of 4 lanes of a workgroup reach a barrier",
  ],
  [
    "a barrier that lanes reach different numbers of times",
    (k) => loop(k, k.lane, k.u32(size), () => barrier(k)),
    "3 of 4 lanes of a workgroup reach a barrier",
  ],
  [
    "a read of an inactive lane",
    (k) => k.if(isFirst(k), () => k.let("x", k.fromLane(k.lane, 1))),
    "lane 0 reads lane 1, which does not take part",
  ],
  [
    "a neighbour of four that a subgroup of two lanes lacks",
    (k) => k.let("x", k.fromQuad(k.lane, 3)),
    "lane 0 reads lane 3",
  ],
  ["a lane that does not exist", (k) => k.let("x", k.fromLane(k.lane, 2)), "lane 0 reads lane 2"],
  [
    "a loop with more iterations than its bound",
    (k) => {
      const axis = { extent: size, role: "positions" } as const;
      k.for({ axis, name: "i", first: k.u32(0), end: k.u32(size), step: k.u32(1), most: size - 1 }, () => {});
    },
    "i runs more than 3 times",
  ],
  ["a loop that never ends", (k) => loop(k, k.lane, k.u32(size), () => {}, 0), "i goes from 0 by 0 and never ends"],
  [
    "a loop that runs past the largest index",
    (k) => loop(k, k.u32(2 ** 32 - 2), k.u32(2 ** 32 - 1), () => {}, 2),
    "i goes from 4294967294 by 2 and never ends",
  ],
  [
    "a register that does not exist",
    (k, { made }) => k.storeElement(made, own(k), k.load(k.registers("r", "u32", [k.lane]), k.lane)),
    "r[1]: read out of bounds: it has 1 elements",
  ],
  [
    "a condition on an invalid number",
    (k, { given, made }) =>
      k.if(k.equal(k.load(given, k.u32(8)), k.u32(0)), () => k.storeElement(made, own(k), k.u32(1))),
    "given[8]: read out of bounds: it has 8 elements",
  ],
  [
    "an index that is an invalid number",
    (k, { given, made }) => k.storeElement(made, k.load(given, k.u32(8)), k.u32(1)),
    "given[8]: read out of bounds: it has 8 elements",
  ],
  [
    "an invalid number that is selected",
    (k, { given, made }) => k.storeElement(made, own(k), k.select(k.bool(true), k.load(given, k.u32(8)), k.u32(1))),
    "given[8]: read out of bounds: it has 8 elements",
  ],
  [
    "lanes that leave inside a block",
    (k) => k.if(k.bool(true), () => k.leaveIf(isFirst(k))),
    "lanes leave inside a block",
  ],
])("a fault: %s", (_, write, message) => {
  expect(() => run(write)).toThrow(message);
});
