/**
 * @file The convolutional LSTM in one dimension: Shi, Chen, Wang, Yeung, Wong & Woo 2015, arXiv:1506.04214, eq. 3. x and
 * the states are lines of positions with several channels, such as sensors along a pipe, and each position depends on its
 * neighbours. `*` is a convolution along the line with zero padding; the peepholes w have one weight per position and
 * channel.
 *
 *   i  = sigmoid(W_i * [x, h] + w_i c + b_i)      input gate
 *   f  = sigmoid(W_f * [x, h] + w_f c + b_f)      forget gate
 *   c' = f c + i tanh(W_g * [x, h] + b_g)
 *   o  = sigmoid(W_o * [x, h] + w_o c' + b_o)     output gate, which reads the new state
 *   h' = o tanh(c')
 *
 * x is a row of positions * channels numbers, position by position, and so is the output.
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { zerosInit } from "../compiler/dsl/initializers.ts";
import { parameter } from "../compiler/dsl/parameters.ts";
import { at } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { windows } from "../compiler/ops/composed.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";
import { reshape } from "../compiler/ops/views.ts";
import { equalShare, wholeOption } from "./options.ts";

/** Options of `convLstm`. */
export interface ConvLstmOptions {
  /** Positions on the line; units and features must be multiples of it. 8 by default. */
  readonly positions?: number;
  /** Width of the filter, in positions; 3 by default. */
  readonly width?: number;
}

/** Convolutional LSTM along a line; states c and h: [positions, units / positions], output h: [units]. */
export function convLstm(options: ConvLstmOptions = {}) {
  const { positions = 8, width = 3 } = checkedOptions("convLstm", options, { positions: "number", width: "number" });
  const name = "conv-lstm";
  wholeOption(name, "width", width);
  const channelsOf = (total: number, what: string) => equalShare(name, total, what, positions, "positions");
  return cell(
    name,
    {
      state: ({ units }) => {
        const shape = [positions, channelsOf(units, "units")];
        return { c: shape, h: shape };
      },
    },
    ({ x, c, h, units, features }) => {
      const [batch, channels] = [at(x.shape, 0), channelsOf(units, "units")];
      const line = reshape(x, [batch, positions, channelsOf(features, "features")]);
      const seen = [windows(line, width), windows(h, width)];
      const peephole = (gate: string, state: typeof c) =>
        mul(parameter(`${gate}/peephole`, [positions, channels], zerosInit), state);
      const i = sigmoid(add(dense("input", seen, channels), peephole("input", c)));
      const f = sigmoid(add(dense("forget", seen, channels, { bias: 1 }), peephole("forget", c)));
      const g = tanh(dense("candidate", seen, channels));
      const nextC = add(mul(f, c), mul(i, g));
      const o = sigmoid(add(dense("output", seen, channels), peephole("output", nextC)));
      const nextH = mul(o, tanh(nextC));
      return { state: { c: nextC, h: nextH }, output: reshape(nextH, [batch, units]) };
    },
  );
}
