/**
 * @file The gated recurrent unit of Cho et al. 2014, arXiv:1406.1078, eqs. 5-8: the reset gate acts on h *before* the
 * product with the candidate's weights.
 *
 *   z  = sigmoid(W_z [x, h] + b_z)          update gate
 *   r  = sigmoid(W_r [x, h] + b_r)          reset gate
 *   n  = tanh(W_n [x, r * h] + b_n)         candidate
 *   h' = z * h + (1 - z) * n
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, orthogonal } from "../compiler/dsl/initializers.ts";
import { oneMinus } from "../compiler/ops/composed.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";

const kernel = [glorot, orthogonal()];

/** GRU, reset before the product; state h: [units], output h. */
export const gru = cell("gru", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const z = sigmoid(dense("update", [x, h], units, { kernel }));
  const r = sigmoid(dense("reset", [x, h], units, { kernel }));
  const n = tanh(dense("candidate", [x, mul(r, h)], units, { kernel }));
  const next = add(mul(z, h), mul(oneMinus(z), n));
  return { state: { h: next }, output: next };
});
