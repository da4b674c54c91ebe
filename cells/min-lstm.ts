/**
 * @file The minLSTM: Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, "Were RNNs all we needed?", arXiv:2410.01201,
 * section 3.2. An LSTM whose gates depend only on x and are normalised to a sum of 1, so that the state keeps its scale.
 *
 *   f  = sigmoid(W_f x + b_f)               forget gate
 *   i  = sigmoid(W_i x + b_i)               input gate
 *   n  = W_n x + b_n                        candidate
 *   h' = f / (f + i) * h + i / (f + i) * n
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { add, div, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid } from "../compiler/ops/transcendental.ts";

/** Minimal LSTM; state h: [units], output h. */
export const minLstm = cell("min-lstm", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const f = sigmoid(dense("forget", x, units));
  const i = sigmoid(dense("input", x, units));
  const n = dense("candidate", x, units);
  const next = add(mul(div(f, add(f, i)), h), mul(div(i, add(f, i)), n));
  return { state: { h: next }, output: next };
});
