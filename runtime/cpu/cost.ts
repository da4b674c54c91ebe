/**
 * @file What a dispatch is worth on a CPU: whether other threads are asked to help, and how much each takes at once. The
 * figures are those of one core of a server of 2020 with vectors of 128 bits, rounded: they decide only who does what, never
 * what comes out.
 */

/** FLOP in a microsecond, and bytes of memory. */
const flopsPerMicrosecond = 8000;
const bytesPerMicrosecond = 8000;

/** Below this many microseconds a dispatch is over before another thread would have begun. */
const worthSharing = 20;
/** A range of workgroups takes as long, or what is gained by sharing goes into taking it. */
const worthTaking = 4;
/** Ranges for each thread, so that threads which come late or are slow leave theirs to others. */
const rangesPerThread = 8;
/** The engine counts ranges in 16 bits. */
const mostRanges = 32767;

/**
 * How many workgroups of a dispatch a thread takes at once; 0 where one thread does it all. `flops` and `bytes` are of the
 * whole dispatch.
 */
export function grainOf(flops: number, bytes: number, groups: number, threads: number): number {
  const time = flops / flopsPerMicrosecond + bytes / bytesPerMicrosecond;
  if (threads === 1 || groups < 2 || time < worthSharing) return 0;
  const ranges = Math.min(mostRanges, rangesPerThread * threads, Math.max(threads, Math.floor(time / worthTaking)));
  return Math.ceil(groups / ranges);
}
