/**
 * @file The variant of the GRU whose reset gate acts *after* the recurrent product, as cuDNN and PyTorch's `nn.GRU`
 * compute it. The recurrent product needs a separate bias, since the reset gate scales it.
 *
 *   z  = sigmoid(W_z [x, h] + b_z)
 *   r  = sigmoid(W_r [x, h] + b_r)
 *   n  = tanh(W_n x + b_n + r * (U_n h + b_u))
 *   h' = z * h + (1 - z) * n
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, orthogonal } from "../compiler/dsl/initializers.ts";
import { oneMinus } from "../compiler/ops/composed.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";

const kernel = [glorot, orthogonal()];

/** GRU, reset after the product; state h: [units], output h. */
export const gruResetAfter = cell("gru-reset-after", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const z = sigmoid(dense("update", [x, h], units, { kernel }));
  const r = sigmoid(dense("reset", [x, h], units, { kernel }));
  const recurrent = dense("recurrent", h, units, { kernel: orthogonal() });
  const n = tanh(add(dense("candidate", x, units), mul(r, recurrent)));
  const next = add(mul(z, h), mul(oneMinus(z), n));
  return { state: { h: next }, output: next };
});
