/**
 * @file Cost model for dispatches on the CPU: whether to share a dispatch among threads, and how much each takes at once.
 * The figures are rounded from one core of a 2020 server with 128-bit vectors; they affect only the work assignment, never
 * results.
 */

/** FLOP and bytes of memory traffic per microsecond. */
const flopsPerMicrosecond = 8000;
const bytesPerMicrosecond = 8000;

/** Microseconds; a shorter dispatch ends before another thread would start. */
const worthSharing = 20;
/** Least microseconds of a range of workgroups, so that claiming it costs less than sharing saves. */
const worthTaking = 4;
/** Ranges per thread, so that others can take the ranges of a late or slow thread. */
const rangesPerThread = 8;
/** The engine has 16 bits for ranges. */
const mostRanges = 32767;

/**
 * How many workgroups of each part of a grid, which has `groups` of them, a thread takes at once; none if one thread runs
 * the whole dispatch. `flops` and `bytes` are those of the whole dispatch. A workgroup of one part may do a hundred times
 * the work of another's, as where a weight's gradient stands beside a bias's, so each part is divided on its own.
 */
export function grainsOf(flops: number, bytes: number, groups: readonly number[], threads: number): number[] {
  const time = flops / flopsPerMicrosecond + bytes / bytesPerMicrosecond;
  const total = groups.reduce((sum, count) => sum + count, 0);
  if (threads === 1 || total < 2 || time < worthSharing) return [];
  const most = Math.max(1, Math.floor(mostRanges / groups.length));
  const worth = Math.max(threads, Math.floor(time / worthTaking / groups.length));
  const ranges = Math.min(most, rangesPerThread * threads, worth);
  return groups.map((count) => Math.max(1, Math.ceil(count / ranges)));
}
