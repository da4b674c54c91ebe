/**
 * @file The minimal gated unit: Zhou, Wu, Zhang & Zhou 2016, arXiv:1603.09420, eqs. 6a-6c. One gate both forgets and
 * updates, so it has two thirds of a GRU's weights.
 *
 *   f  = sigmoid(W_f [h, x] + b_f)          forget gate
 *   n  = tanh(W_n [f * h, x] + b_n)         candidate
 *   h' = (1 - f) * h + f * n
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, orthogonal } from "../compiler/dsl/initializers.ts";
import { oneMinus } from "../compiler/ops/composed.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";

const kernel = [orthogonal(), glorot];

/** Minimal gated unit; state h: [units], output h. */
export const mgu = cell("mgu", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const f = sigmoid(dense("forget", [h, x], units, { kernel }));
  const n = tanh(dense("candidate", [mul(f, h), x], units, { kernel }));
  const next = add(mul(oneMinus(f), h), mul(f, n));
  return { state: { h: next }, output: next };
});
