/** @file How threads share the ranges of a dispatch, on one thread: what it takes, and what it leaves to others. */
import { expect, test } from "vitest";
import { controlWords } from "../../runtime/cpu/protocol.ts";
import type { EngineState, TapeEntries } from "../../runtime/cpu/tape-entries.ts";
import { threadSharing } from "../../runtime/cpu/thread-sharing.ts";

/** A thread of two that shares the ranges of program 1, and the ranges that it has run. */
function setting(whenRun = () => {}) {
  const state: EngineState = {
    programs: new Map([[1, { kernels: [], scratch: 0 }]]),
    memory: undefined,
    words: new Int32Array(0),
    bytes: new Uint8Array(0),
    number: 0,
    threads: 2,
    program: undefined,
    kernel: undefined,
  };
  const ran: number[] = [];
  const entries = {
    view: () => {},
    isFork: () => false,
    runRange: (_: unknown, __: number, range: number) => {
      ran.push(range);
      whenRun();
    },
  };
  const sharing = threadSharing(state, entries as unknown as TapeEntries);
  const shared = new Int32Array(new SharedArrayBuffer(sharing.controlBytes(2)));
  const firstSegment = sharing.controlBytes(0) / 4;
  return { state, sharing, shared, firstSegment, ran };
}

test("a leader whom nobody helps runs its own segment, the last range first, and then the other one", () => {
  const { sharing, shared, ran } = setting();
  sharing.share(shared, 1, 0, 5);
  expect(ran).toEqual([2, 1, 0, 4, 3]);
  expect(sharing.takePart(shared)).toBe(false);
});

test("another thread begins with its own segment", () => {
  const { state, sharing, shared, ran, firstSegment } = setting();
  sharing.share(shared, 1, 0, 4);
  // As if the leader had not begun.
  const dispatch = (shared[controlWords.claim] as number) >>> 16;
  for (const segment of [0, 1]) shared[firstSegment + 16 * segment] = (dispatch << 16) | 2;
  ran.length = 0;
  state.number = 1;
  expect(sharing.takePart(shared)).toBe(true);
  expect(ran).toEqual([3, 2, 1, 0]);
});

test("a thread that read a dispatch before it ended takes nothing of the next one", () => {
  const { sharing, shared, ran, firstSegment } = setting();
  sharing.share(shared, 1, 0, 4);
  const dispatch = (shared[controlWords.claim] as number) >>> 16;
  shared[firstSegment] = ((dispatch + 1) << 16) | 2;
  ran.length = 0;
  expect(sharing.takePart(shared)).toBe(false);
  expect(ran).toEqual([]);
});

test("the leader waits for a range that another thread has taken, unless the device is gone", () => {
  const { sharing, shared, ran, firstSegment } = setting(() => {
    // The other thread takes one of its ranges, and is not done with it when the device ends.
    if (ran.length !== 1) return;
    Atomics.sub(shared, firstSegment + 16, 1);
    Atomics.store(shared, controlWords.quit, 1);
  });
  expect(() => sharing.share(shared, 1, 0, 4)).toThrow("the device is gone");
  expect(ran).toEqual([1, 0, 2]);
});
