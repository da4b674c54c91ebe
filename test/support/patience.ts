/** @file How long tests wait for anything: long enough for a busy machine, so that it ends only what hangs. */

/** Milliseconds. */
export const patience = 300_000;
