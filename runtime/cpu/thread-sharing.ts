/**
 * @file Threads share the workgroups of a dispatch as follows. They are divided into ranges, each of one part of the grid, and
 * the ranges into as many segments as there are threads. The leader publishes the dispatch in the word `claim`: the upper
 * half counts dispatches, the lower half is the number of segments. A segment's word is the same count and the number of its
 * ranges left. A thread takes its last range by compare-exchange, so it cannot take one of a finished dispatch. It begins
 * with its own segment, whose values it has probably in its cache since the dispatch before, and goes on with those of
 * others. The leader takes part too, then waits until all ranges are done; a late or missing follower delays nothing.
 * Between runs, followers sleep on `claim`.
 *
 * Like the engine (engine.ts), workers receive this as text, so it refers to nothing outside except types and globals.
 */
import type { EngineState, TapeEntries } from "./tape-entries.ts";

export type ThreadSharing = ReturnType<typeof threadSharing>;

export function threadSharing(state: EngineState, entries: TapeEntries) {
  const pageBytes = 65536;
  /**
   * Polls of a word before a thread goes to sleep: some microseconds, and during a run a tenth of a millisecond, since to wake
   * takes longer than most dispatches of a small model.
   */
  const spins = 3000;
  const spinsInRun = 100_000;
  // Words of the control block, each in its own cache line. protocol.ts repeats some of them.
  const claimWord = 0;
  const jobWord = 16;
  const programWord = 32;
  const doneWord = 48;
  const sleepersWord = 64;
  const leaderSleepsWord = 80;
  const postedWord = 96;
  const insideWord = 112;
  const pagesWord = 128;
  const quitWord = 144;
  const segmentRangesWord = 160;
  const runsWord = 176;
  const segmentsWord = 192;
  const wordsOfSegment = 16;

  const { isFork, runBranch, runRange, view } = entries;
  let epoch = 0;

  /** Takes the last range of a segment, if the dispatch is still that of `claim`; -1 if none is left. */
  const takeRange = (shared: Int32Array, segment: number, claim: number): number => {
    const index = segmentsWord + wordsOfSegment * segment;
    for (;;) {
      const state = Atomics.load(shared, index);
      const left = state & 0xffff;
      if (left === 0 || state >>> 16 !== claim >>> 16) return -1;
      if (Atomics.compareExchange(shared, index, state, state - 1) === state) return left - 1;
    }
  };

  /** Runs ranges of the published dispatch, or branches of the published fork, until none is left. */
  const takePart = (shared: Int32Array): boolean => {
    const claim = Atomics.load(shared, claimWord);
    const segments = claim & 0xffff;
    const name = Atomics.load(shared, programWord);
    const entry = Atomics.load(shared, jobWord);
    const length = Atomics.load(shared, segmentRangesWord);
    const program = state.programs.get(name);
    if (program === undefined) return false;
    if (Atomics.load(shared, pagesWord) * pageBytes > state.words.byteLength) {
      // Growing by 0 makes a thread see that another one has grown the memory.
      state.memory?.grow(0);
      view();
    }
    let isUseful = false;
    for (let i = 0; i < segments; i++) {
      const segment = (state.number + i) % segments;
      for (let own = takeRange(shared, segment, claim); own >= 0; own = takeRange(shared, segment, claim)) {
        isUseful = true;
        state.program = name;
        const range = segment * length + own;
        if (isFork(entry)) runBranch(program, entry, range);
        else runRange(program, entry, range);
        Atomics.add(shared, doneWord, 1);
        if (Atomics.load(shared, leaderSleepsWord) === 1) Atomics.notify(shared, doneWord);
      }
    }
    return isUseful;
  };

  const publish = (shared: Int32Array, ranges: number): void => {
    epoch = (epoch + 1) & 0xffff;
    // On wrap-around, a follower that read `claim` 65536 dispatches ago would mistake this dispatch for that one.
    if (epoch === 0) while (Atomics.load(shared, insideWord) > 0);
    const segments = Math.min(state.threads, ranges);
    const length = segments === 0 ? 0 : Math.ceil(ranges / segments);
    Atomics.store(shared, segmentRangesWord, length);
    for (let segment = 0; segment < segments; segment++) {
      const own = Math.max(0, Math.min(length, ranges - segment * length));
      Atomics.store(shared, segmentsWord + wordsOfSegment * segment, (epoch << 16) | own);
    }
    Atomics.store(shared, claimWord, (epoch << 16) | segments);
    if (Atomics.load(shared, sleepersWord) > 0)
      Atomics.notify(shared, claimWord, ranges === 0 ? Number.POSITIVE_INFINITY : ranges - 1);
  };

  const share = (shared: Int32Array, name: number, entry: number, ranges: number): void => {
    Atomics.store(shared, jobWord, entry);
    Atomics.store(shared, programWord, name);
    Atomics.store(shared, pagesWord, state.words.byteLength / pageBytes);
    Atomics.store(shared, doneWord, 0);
    publish(shared, ranges);
    takePart(shared);
    for (let spin = 0; ; spin++) {
      const done = Atomics.load(shared, doneWord);
      if (done === ranges) return;
      if (spin < spinsInRun) continue;
      if (Atomics.load(shared, quitWord) > 0) throw new Error("the device is gone");
      Atomics.store(shared, leaderSleepsWord, 1);
      Atomics.wait(shared, doneWord, done);
      Atomics.store(shared, leaderSleepsWord, 0);
    }
  };

  /** Helps with the leader's dispatches until there is a message. */
  const follow = (shared: Int32Array, handled: number): void => {
    for (;;) {
      // Read before `posted` and `quit`, which other threads write first.
      const claim = Atomics.load(shared, claimWord);
      if (Atomics.load(shared, postedWord) > handled || Atomics.load(shared, quitWord) > 0) return;
      if ((claim & 0xffff) > 0) {
        Atomics.add(shared, insideWord, 1);
        const isUseful = takePart(shared);
        Atomics.sub(shared, insideWord, 1);
        if (isUseful) continue;
      }
      let left = spins;
      if (Atomics.load(shared, runsWord) > 0) left = spinsInRun;
      while (left > 0 && Atomics.load(shared, claimWord) === claim) left--;
      if (left > 0) continue;
      Atomics.add(shared, sleepersWord, 1);
      Atomics.wait(shared, claimWord, claim);
      Atomics.sub(shared, sleepersWord, 1);
    }
  };

  return {
    takePart,
    share,
    follow,
    /** Makes followers read their messages: the host posts to them before it posts to the leader. */
    announce: (shared: Int32Array): void => {
      Atomics.add(shared, postedWord, 1);
      publish(shared, 0);
    },
    /** A run with work to share has ended. The host has counted it before it was sent. */
    endRun: (shared: Int32Array): void => {
      Atomics.sub(shared, runsWord, 1);
    },
    controlBytes: (threads: number): number => 4 * (segmentsWord + wordsOfSegment * threads),
  };
}
