/** @file Barriers are derived: they are placed wherever accesses of two invocations may conflict, and nowhere else. */
import { describe, expect, test } from "vitest";
import { KernelBuilder } from "../../compiler/kernel/builder.ts";
import type { Expr, LocalArray } from "../../compiler/kernel/ir.ts";
import { printKernel } from "../../compiler/kernel/print.ts";

const grid = { rows: [1], rowsPer: 1, columns: [1], lanes: 1 };

/** The statements that access shared memory, with barriers, as lines. */
function linesOf(write: (k: KernelBuilder) => void): string[] {
  const k = new KernelBuilder();
  k.part(grid, () => write(k));
  const lines = printKernel(k.finish(64)).split("\n").slice(1);
  return lines.filter((line) => /barrier|shared|for|if|stage/.test(line)).map((line) => line.slice(2));
}

const set = (k: KernelBuilder, array: LocalArray, index: Expr) => k.storeElement(array, index, k.f32(1));
const get = (k: KernelBuilder, array: LocalArray, index: Expr) => k.let(k.fresh("v"), k.load(array, index));
const repeat = (k: KernelBuilder, times: number, write: (n: Expr) => void) =>
  k.for(
    { axis: { extent: times, role: "depth" }, name: "n", first: k.u32(0), end: k.u32(times), step: k.u32(1) },
    write,
  );

describe("a barrier is placed", () => {
  test("between a write and a read, a read and a write, and two writes, of one array", () => {
    const lines = linesOf((k) => {
      const a = k.sharedArray("f32", 64);
      set(k, a, k.lane);
      get(k, a, k.u32(3));
      set(k, a, k.lane);
      set(k, a, k.u32(0));
    });
    expect(lines.filter((line) => line === "barrier")).toHaveLength(3);
  });

  test("not between reads, nor between arrays, nor inside a stage", () => {
    const lines = linesOf((k) => {
      const [a, b] = [k.sharedArray("f32", 64), k.sharedArray("f32", 64)];
      set(k, a, k.lane);
      set(k, b, k.lane);
      k.stage(() => {
        get(k, a, k.u32(0));
        set(k, a, k.lane);
      });
      get(k, b, k.u32(1));
      get(k, b, k.u32(2));
    });
    // The barrier before the stage serves b as well.
    expect(lines.filter((line) => line === "barrier")).toHaveLength(1);
  });

  test("before a loop that only reads, once", () => {
    const lines = linesOf((k) => {
      const a = k.sharedArray("f32", 64);
      set(k, a, k.lane);
      repeat(k, 4, (n) => get(k, a, n));
    });
    expect(lines.map((line) => line.trim()).slice(1, 3)).toEqual(["barrier", expect.stringMatching(/^for n/)]);
    expect(lines.filter((line) => line.trim() === "barrier")).toHaveLength(1);
  });

  test("wherever slots may be equal: in a loop with step 2, and for variables bound in the loop", () => {
    const placesOf = (by: number, write: (k: KernelBuilder, a: LocalArray, n: Expr) => void) =>
      linesOf((k) => {
        const a = k.sharedArray("f32", 64, 2);
        const axis = { extent: 8, role: "depth" } as const;
        k.for({ axis, name: "n", first: k.u32(0), end: k.u32(8), step: k.u32(by) }, (n) => write(k, a, n));
      })
        .map((line) => line.trim())
        .filter((line) => line === "barrier" || line === "stage");
    const step = (k: KernelBuilder, a: LocalArray, read: Expr, written: Expr) => {
      k.stage(() => k.let("v1", k.load(a, k.u32(5), k.bitAnd(read, k.u32(1)))));
      k.stage(() => k.storeInSlot(a, k.bitAnd(written, k.u32(1)), k.lane, k.f32(1)));
    };
    // n is even throughout: one slot, which is read and written in every iteration.
    expect(placesOf(2, (k, a, n) => step(k, a, n, n))).toEqual(["barrier", "stage", "barrier", "stage"]);
    // m changes with the loop, though it is not the loop variable.
    const bound = placesOf(1, (k, a, n) => {
      const m = k.let("m", k.add(n, k.u32(1)));
      step(k, a, m, k.add(m, k.u32(1)));
    });
    expect(bound[0]).toBe("barrier");
  });

  test("in a loop, for accesses of the previous iteration", () => {
    const lines = linesOf((k) => {
      const a = k.sharedArray("f32", 64);
      repeat(k, 4, () => {
        k.stage(() => set(k, a, k.lane));
        k.stage(() => get(k, a, k.u32(0)));
      });
    });
    expect(lines.map((line) => line.trim())).toEqual([
      "for n in 0 .. 4 by 1 (depth of 4, serial)",
      "barrier",
      "stage",
      expect.stringContaining("shared0_64_f32[lane] = "),
      "barrier",
      "stage",
      expect.stringContaining("= shared0_64_f32[0]"),
    ]);
  });

  test("before a loop over the lanes, and not inside it", () => {
    const lines = linesOf((k) => {
      const a = k.sharedArray("f32", 64);
      set(k, a, k.lane);
      const axis = { extent: 64, role: "positions" } as const;
      k.for({ axis, mapping: "lanes", name: "i", first: k.lane, end: k.u32(64), step: k.u32(8) }, (i) => {
        get(k, a, i);
        set(k, a, i);
      });
    });
    expect(lines.map((line) => line.trim())[1]).toBe("barrier");
    expect(lines.filter((line) => line.trim() === "barrier")).toHaveLength(1);
  });

  test("before a conditional that differs between lanes, and inside a uniform one", () => {
    const inside = (uniform: boolean) =>
      linesOf((k) => {
        const a = k.sharedArray("f32", 64);
        set(k, a, k.lane);
        k.if(k.less(uniform ? k.group : k.lane, k.u32(4)), () => get(k, a, k.u32(9)));
      }).map((line) => line.trim());
    expect(inside(false).indexOf("barrier")).toBe(1);
    expect(inside(true).indexOf("barrier")).toBe(2);
  });

  test("once per step if two slots alternate, since a step writes the slot that it does not read", () => {
    /** Barriers among the stages of a step that reads one slot, then writes the slot `ahead` steps later. */
    const placesOf = (ahead: number) =>
      linesOf((k) => {
        const a = k.sharedArray("f32", 64, 2);
        repeat(k, 8, (n) => {
          const slot = (steps: number) => k.bitAnd(k.add(n, k.u32(steps)), k.u32(1));
          k.stage(() => k.let("v1", k.load(a, k.u32(5), slot(0))));
          k.stage(() => k.storeInSlot(a, slot(ahead), k.lane, k.f32(1)));
        });
      })
        .map((line) => line.trim())
        .filter((line) => line === "barrier" || line === "stage");
    expect(placesOf(1)).toEqual(["barrier", "stage", "stage"]);
    expect(placesOf(0)).toEqual(["stage", "barrier", "stage"]);
  });

  test.each([
    [0, 1],
    [1, 0],
  ])("for each slot that statements inside of one access: %d, %d", (...slots) => {
    const lines = linesOf((k) => {
      const a = k.sharedArray("f32", 64, 2);
      k.storeInSlot(a, k.u32(1), k.lane, k.f32(1));
      // Nothing waits for slot 0; the second stage reads what the first statement wrote.
      k.stage(() => k.let("v", k.load(a, k.lane, k.u32(0))));
      k.stage(() => {
        for (const slot of slots) k.let(`slot${slot}`, k.load(a, k.u32(5), k.u32(slot)));
      });
    });
    expect(lines.filter((line) => /^(barrier|stage)/.test(line))).toEqual(["stage", "barrier", "stage"]);
  });
});
