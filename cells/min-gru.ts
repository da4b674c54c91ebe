/**
 * @file The minGRU: Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, "Were RNNs all we needed?", arXiv:2410.01201,
 * section 3.1. A GRU whose gates depend only on x, and whose candidate is unbounded: all products leave the loop, and the
 * rest is linear in h.
 *
 *   z  = sigmoid(W_z x + b_z)               update gate: how much is written
 *   n  = W_n x + b_n                        candidate
 *   h' = (1 - z) * h + z * n
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { oneMinus } from "../compiler/ops/composed.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid } from "../compiler/ops/transcendental.ts";

/** Minimal GRU; state h: [units], output h. */
export const minGru = cell("min-gru", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const z = sigmoid(dense("update", x, units));
  const n = dense("candidate", x, units);
  const next = add(mul(oneMinus(z), h), mul(z, n));
  return { state: { h: next }, output: next };
});
