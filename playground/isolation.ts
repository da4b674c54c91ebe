/**
 * @file Headers with which a server lets pages share memory between threads: with them device "cpu" takes all cores, and
 * without them one. What the sandbox loads has another origin, so that files say who may have them.
 */
export const isolation = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "cross-origin",
} as const;
