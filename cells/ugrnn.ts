/**
 * @file The update gate RNN: Collins, Sohl-Dickstein & Sussillo 2017, "Capacity and trainability in recurrent neural
 * networks", arXiv:1611.09913, section on architectures: a GRU without its reset gate.
 *
 *   g  = sigmoid(W_g [x, h] + b_g)          update gate: how much is kept
 *   n  = tanh(W_n [x, h] + b_n)             candidate
 *   h' = g * h + (1 - g) * n
 *
 * b_g starts at 1, so that a new cell remembers.
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, orthogonal } from "../compiler/dsl/initializers.ts";
import { oneMinus } from "../compiler/ops/composed.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";

const kernel = [glorot, orthogonal()];

/** Update gate RNN; state h: [units], output h. */
export const ugrnn = cell("ugrnn", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const g = sigmoid(dense("update", [x, h], units, { kernel, bias: 1 }));
  const n = tanh(dense("candidate", [x, h], units, { kernel }));
  const next = add(mul(g, h), mul(oneMinus(g), n));
  return { state: { h: next }, output: next };
});
