/**
 * @file LSTM whose gates read the cell state: Gers, Schraudolph & Schmidhuber 2002, "Learning precise timing with LSTM
 * recurrent networks", JMLR 3; written as in Graves 2013, arXiv:1308.0850, eqs. 7-11. A peephole is one weight per unit,
 * from a unit's state to its own gates.
 *
 *   i  = sigmoid(W_i [x, h] + w_i * c + b_i)      input gate
 *   f  = sigmoid(W_f [x, h] + w_f * c + b_f)      forget gate
 *   c' = f * c + i * tanh(W_g [x, h] + b_g)
 *   o  = sigmoid(W_o [x, h] + w_o * c' + b_o)     output gate, which reads the new state
 *   h' = o * tanh(c')
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, orthogonal, zerosInit } from "../compiler/dsl/initializers.ts";
import { parameter } from "../compiler/dsl/parameters.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";

const kernel = [glorot, orthogonal()];

/** LSTM with peepholes; states c and h: [units], output h. */
export const peepholeLstm = cell(
  "peephole-lstm",
  { state: ({ units }) => ({ c: [units], h: [units] }) },
  ({ x, c, h, units }) => {
    const peephole = (gate: string, state: typeof c) => mul(parameter(`${gate}/peephole`, [units], zerosInit), state);
    const i = sigmoid(add(dense("input", [x, h], units, { kernel }), peephole("input", c)));
    const f = sigmoid(add(dense("forget", [x, h], units, { kernel, bias: 1 }), peephole("forget", c)));
    const g = tanh(dense("candidate", [x, h], units, { kernel }));
    const nextC = add(mul(f, c), mul(i, g));
    const o = sigmoid(add(dense("output", [x, h], units, { kernel }), peephole("output", nextC)));
    const nextH = mul(o, tanh(nextC));
    return { state: { c: nextC, h: nextH }, output: nextH };
  },
);
