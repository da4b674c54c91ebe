/**
 * @file Long short-term memory as first published: Hochreiter & Schmidhuber 1997, Neural Computation 9(8), section 4,
 * with no forget gate. The cell state feeds itself with weight 1: the constant error carousel.
 *
 *   i  = sigmoid(W_i [x, h] + b_i)          input gate
 *   o  = sigmoid(W_o [x, h] + b_o)          output gate
 *   g  = tanh(W_g [x, h] + b_g)             cell input
 *   c' = c + i * g                          the carousel
 *   h' = o * tanh(c')
 *
 * The paper uses rescaled sigmoids (eqs. 3-5 of its appendix); tanh has the same form and range up to scale.
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, orthogonal } from "../compiler/dsl/initializers.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";

const kernel = [glorot, orthogonal()];

/** LSTM of 1997, without a forget gate; states c and h: [units], output h. */
export const lstm1997 = cell(
  "lstm1997",
  { state: ({ units }) => ({ c: [units], h: [units] }) },
  ({ x, c, h, units }) => {
    const i = sigmoid(dense("input", [x, h], units, { kernel }));
    const o = sigmoid(dense("output", [x, h], units, { kernel }));
    const g = tanh(dense("candidate", [x, h], units, { kernel }));
    const nextC = add(c, mul(i, g));
    const nextH = mul(o, tanh(nextC));
    return { state: { c: nextC, h: nextH }, output: nextH };
  },
);
