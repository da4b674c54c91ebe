/**
 * @file The simple recurrent network with rectified units, as PyTorch's `nn.RNN` computes it with `nonlinearity="relu"`:
 * Elman 1990, with the activation of Nair & Hinton 2010, "Rectified linear units improve restricted Boltzmann machines".
 *
 *   h' = relu(U x + W h + b)
 *
 * h is unbounded: W starts orthogonal, so that h neither grows nor decays much at first.
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, orthogonal } from "../compiler/dsl/initializers.ts";
import { relu } from "../compiler/ops/composed.ts";

/** Simple recurrent network of rectified units; state h: [units], output h. */
export const reluRnn = cell("relu-rnn", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const next = relu(dense("hidden", [x, h], units, { kernel: [glorot, orthogonal()] }));
  return { state: { h: next }, output: next };
});
