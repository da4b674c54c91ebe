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
 * How many workgroups a thread takes at once; 0 if one thread runs the whole dispatch. `flops` and `bytes` are those of the
 * whole dispatch.
 */
export function grainOf(flops: number, bytes: number, groups: number, threads: number): number {
  const time = flops / flopsPerMicrosecond + bytes / bytesPerMicrosecond;
  if (threads === 1 || groups < 2 || time < worthSharing) return 0;
  const ranges = Math.min(mostRanges, rangesPerThread * threads, Math.max(threads, Math.floor(time / worthTaking)));
  return Math.ceil(groups / ranges);
}
