/**
 * @file LSTM with a recurrent projection: Sak, Senior & Beaufays 2014, "Long short-term memory based recurrent neural
 * network architectures for large vocabulary speech recognition", arXiv:1402.1128, eqs. 7-12. The gates read a projection
 * r of the units to fewer numbers, so there are units * projection recurrent weights instead of units^2.
 *
 *   i  = sigmoid(W_i [x, r] + w_i * c + b_i)      input gate
 *   f  = sigmoid(W_f [x, r] + w_f * c + b_f)      forget gate
 *   c' = f * c + i * tanh(W_g [x, r] + b_g)
 *   o  = sigmoid(W_o [x, r] + w_o * c' + b_o)     output gate
 *   r' = W_r (o * tanh(c'))                       projection
 *
 * Without peepholes (w = 0) this is what PyTorch's `nn.LSTM` computes with `proj_size`.
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, orthogonal, zerosInit } from "../compiler/dsl/initializers.ts";
import { parameter } from "../compiler/dsl/parameters.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";
import { wholeOption } from "./options.ts";

const kernel = [glorot, orthogonal()];

/** Options of `projectedLstm`. */
export interface ProjectedLstmOptions {
  /** Width of the projection, which is the output; half the units (rounded up) by default. */
  readonly projection?: number;
  /** Whether gates read the cell state; true by default, as in the paper. */
  readonly peepholes?: boolean;
}

/** LSTM with a projection; states c: [units] and r: [projection], output r. */
export function projectedLstm(options: ProjectedLstmOptions = {}) {
  const { projection, peepholes = true } = checkedOptions("projectedLstm", options, {
    projection: "number",
    peepholes: "boolean",
  });
  const name = "projected-lstm";
  const widthOf = (units: number) => wholeOption(name, "projection", projection ?? Math.ceil(units / 2));
  return cell(name, { state: ({ units }) => ({ c: [units], r: [widthOf(units)] }) }, ({ x, c, r, units }) => {
    const gate = (which: string, state: typeof c, bias = 0) => {
      const seen = dense(which, [x, r], units, { kernel, bias });
      return sigmoid(peepholes ? add(seen, mul(parameter(`${which}/peephole`, [units], zerosInit), state)) : seen);
    };
    const i = gate("input", c);
    const f = gate("forget", c, 1);
    const g = tanh(dense("candidate", [x, r], units, { kernel }));
    const nextC = add(mul(f, c), mul(i, g));
    const o = gate("output", nextC);
    const nextR = dense("projection", mul(o, tanh(nextC)), widthOf(units), { bias: false });
    return { state: { c: nextC, r: nextR }, output: nextR };
  });
}
