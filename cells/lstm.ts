/**
 * @file Long short-term memory with a forget gate: Gers, Schmidhuber & Cummins 2000, "Learning to forget", Neural
 * Computation 12(10), in today's usual form without peepholes.
 *
 *   i  = sigmoid(W_i [x, h] + b_i)          input gate
 *   f  = sigmoid(W_f [x, h] + b_f)          forget gate
 *   o  = sigmoid(W_o [x, h] + b_o)          output gate
 *   g  = tanh(W_g [x, h] + b_g)             cell input
 *   c' = f * c + i * g
 *   h' = o * tanh(c')
 *
 * b_f starts at 1, so that a new cell remembers: Jozefowicz, Zaremba & Sutskever 2015, section 2.2.
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, orthogonal } from "../compiler/dsl/initializers.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";

const kernel = [glorot, orthogonal()];

/** LSTM with a forget gate; states c and h: [units], output h. */
export const lstm = cell("lstm", { state: ({ units }) => ({ c: [units], h: [units] }) }, ({ x, c, h, units }) => {
  const i = sigmoid(dense("input", [x, h], units, { kernel }));
  const f = sigmoid(dense("forget", [x, h], units, { kernel, bias: 1 }));
  const o = sigmoid(dense("output", [x, h], units, { kernel }));
  const g = tanh(dense("candidate", [x, h], units, { kernel }));
  const nextC = add(mul(f, c), mul(i, g));
  const nextH = mul(o, tanh(nextC));
  return { state: { c: nextC, h: nextH }, output: nextH };
});
