/**
 * @file LSTM with coupled input and forget gates (CIFG): Greff, Srivastava, Koutník, Steunebrink & Schmidhuber 2017,
 * "LSTM: a search space odyssey", arXiv:1503.04069, section 3. As much is written as is forgotten: i = 1 - f. Without the
 * peepholes of the paper, as in cells/lstm.ts.
 *
 *   f  = sigmoid(W_f [x, h] + b_f)          forget gate
 *   o  = sigmoid(W_o [x, h] + b_o)          output gate
 *   g  = tanh(W_g [x, h] + b_g)             cell input
 *   c' = f * c + (1 - f) * g
 *   h' = o * tanh(c')
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, orthogonal } from "../compiler/dsl/initializers.ts";
import { oneMinus } from "../compiler/ops/composed.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";

const kernel = [glorot, orthogonal()];

/** LSTM with one gate for input and forgetting; states c and h: [units], output h. */
export const coupledLstm = cell(
  "coupled-lstm",
  { state: ({ units }) => ({ c: [units], h: [units] }) },
  ({ x, c, h, units }) => {
    const f = sigmoid(dense("forget", [x, h], units, { kernel, bias: 1 }));
    const o = sigmoid(dense("output", [x, h], units, { kernel }));
    const g = tanh(dense("candidate", [x, h], units, { kernel }));
    const nextC = add(mul(f, c), mul(oneMinus(f), g));
    const nextH = mul(o, tanh(nextC));
    return { state: { c: nextC, h: nextH }, output: nextH };
  },
);
