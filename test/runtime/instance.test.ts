/** @file A program at given sizes: its workgroups, the loop steps of each dispatch, and its memory. */
import { expect, test } from "vitest";
import type { Dispatch, GridPart, Loop, Program, Step } from "../../compiler/plan/program.ts";
import { instantiate } from "../../runtime/instance.ts";
import { chunkRanges, iterationsOf } from "../../runtime/walk.ts";

const dispatch = (grid: readonly GridPart[], more: Partial<Dispatch> = {}): Dispatch => ({
  kind: "dispatch",
  kernel: 0,
  grid,
  phase: "forward",
  ...more,
});
const part = (rows: GridPart["rows"], rowsPer: number, columns: GridPart["columns"], lanes: number): GridPart => ({
  rows,
  rowsPer,
  columns,
  lanes,
});

function instanceOf(steps: readonly Step[], sizes: Readonly<Record<string, number>>) {
  const program: Program = {
    version: 1,
    name: "program",
    symbols: Object.keys(sizes),
    requires: [],
    buffers: [
      { name: "in0", element: "f32", bytes: 4, size: ["2*B"], role: "input" },
      { name: "work", element: "f32", bytes: 4, size: ["B", 12], role: "slab" },
    ],
    inputs: [],
    outputs: [],
    kernels: [],
    schedules: [],
    steps,
  };
  return instantiate(program, sizes);
}

/** For each dispatch: its workgroups, and its words in the table of steps. */
function dispatches(steps: readonly Step[], sizes: Readonly<Record<string, number>>) {
  const { steps: flat, stepTable } = instanceOf(steps, sizes);
  return flat.flatMap((step) =>
    "kind" in step
      ? []
      : [{ groups: step.workgroups, entry: [...stepTable.slice(step.stepOffset / 4, step.stepOffset / 4 + 3)] }],
  );
}

test("every row and every lane has a workgroup", () => {
  const groups = (grid: GridPart, B: number) => dispatches([dispatch([grid])], { B })[0]?.groups;
  expect(groups(part(["B"], 4, [3], 1), 8)).toEqual([6, 1, 1]);
  expect(groups(part(["B"], 4, [3], 1), 9)).toEqual([9, 1, 1]);
  expect(groups(part(["B"], 1, [3], 64), 22)).toEqual([2, 1, 1]);
  expect(groups(part(["B", 5], 1, [2, 1], 64), 1)).toEqual([1, 1, 1]);
});

test("parts follow each other, and workgroups beyond the limit of one axis use a second", () => {
  const parts = [part(["B"], 1, [1], 64), part([65], 1, [1], 64)];
  expect(dispatches([dispatch(parts)], { B: 64 })[0]?.groups).toEqual([3, 1, 1]);
  expect(dispatches([dispatch([part(["B"], 1, [1], 1)])], { B: 65535 })[0]?.groups).toEqual([65535, 1, 1]);
  expect(dispatches([dispatch([part(["B"], 1, [1], 1)])], { B: 65536 })[0]?.groups).toEqual([65535, 2, 1]);
});

test("loops count their steps, the outermost first", () => {
  const one = dispatch([part([1], 1, [1], 1)]);
  const inner: Loop = { kind: "loop", length: 2, reverse: false, body: [one], otherwise: [] };
  const outer: Loop = { kind: "loop", length: "T", reverse: true, body: [one, inner], otherwise: [] };
  expect(dispatches([outer], { T: 2, B: 1 }).map(({ entry }) => entry)).toEqual([
    [0, 0, 0],
    [0, 0, 0],
    [0, 1, 0],
    [1, 0, 0],
    [1, 0, 0],
    [1, 1, 0],
  ]);
});

test("a loop without steps runs its alternative, once in each step of the enclosing loops", () => {
  const [one, other] = [dispatch([part([1], 1, [1], 1)]), dispatch([part([128], 1, [1], 64)])];
  const inner: Loop = { kind: "loop", length: "K", reverse: false, body: [one], otherwise: [other] };
  const outer: Loop = { kind: "loop", length: "T", reverse: false, body: [inner], otherwise: [one] };
  const run = (T: number, K: number) =>
    dispatches([outer], { T, K, B: 1 }).map(({ groups, entry }) => [groups[0], ...entry]);
  expect(run(2, 0)).toEqual([
    [2, 0, 0, 0],
    [2, 1, 0, 0],
  ]);
  expect(run(0, 0)).toEqual([[1, 0, 0, 0]]);
  expect(run(1, 1)).toEqual([[1, 0, 0, 0]]);
  const iterations = (K: number) => iterationsOf(inner, { K });
  expect([iterations(0), iterations(3)]).toEqual([
    { steps: [other], times: 1 },
    { steps: [one], times: 3 },
  ]);
});

test("a kernel with its own loop gets the start and end of each chunk", () => {
  const chunks = { scan: "cell", length: "T", steps: 3 };
  const [first, second, third] = dispatches([dispatch([part([1], 1, [1], 1)], { chunks })], { T: 7, B: 1 });
  expect([first, second, third].map((step) => step?.entry.slice(0, 2))).toEqual([
    [0, 3],
    [3, 6],
    [6, 7],
  ]);
  expect(chunkRanges(chunks, { T: 6 })).toEqual([
    [0, 3],
    [3, 6],
  ]);
  // A loop of no steps hands its initial carries on.
  expect(chunkRanges(chunks, { T: 0 })).toEqual([[0, 0]]);
});

test("buffers need four bytes per number", () => {
  expect(instanceOf([], { B: 5 }).bufferBytes).toEqual([40, 68]);
});
