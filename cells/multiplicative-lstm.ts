/**
 * @file The multiplicative LSTM: Krause, Lu, Murray & Renals 2016, arXiv:1609.07959, section 3. h is replaced by m, a
 * product of projections of x and h: in effect, each input has its own recurrent matrix.
 *
 *   m  = (W_mx x) * (W_mh h)                intermediate state
 *   i  = sigmoid(W_i [x, m] + b_i)          input gate
 *   f  = sigmoid(W_f [x, m] + b_f)          forget gate
 *   o  = sigmoid(W_o [x, m] + b_o)          output gate
 *   g  = tanh(W_g [x, m] + b_g)             cell input
 *   c' = f * c + i * g
 *   h' = o * tanh(c')
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, orthogonal } from "../compiler/dsl/initializers.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";

const kernel = [glorot, orthogonal()];

/** Multiplicative LSTM; states c and h: [units], output h. */
export const multiplicativeLstm = cell(
  "multiplicative-lstm",
  { state: ({ units }) => ({ c: [units], h: [units] }) },
  ({ x, c, h, units }) => {
    const fromX = dense("intermediate/input", x, units, { bias: false });
    const m = mul(fromX, dense("intermediate/recurrent", h, units, { kernel: orthogonal(), bias: false }));
    const i = sigmoid(dense("input", [x, m], units, { kernel }));
    const f = sigmoid(dense("forget", [x, m], units, { kernel, bias: 1 }));
    const o = sigmoid(dense("output", [x, m], units, { kernel }));
    const g = tanh(dense("candidate", [x, m], units, { kernel }));
    const nextC = add(mul(f, c), mul(i, g));
    const nextH = mul(o, tanh(nextC));
    return { state: { c: nextC, h: nextH }, output: nextH };
  },
);
