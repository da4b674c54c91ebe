/**
 * @file LSTM with layer normalisation: Ba, Kiros & Hinton 2016, arXiv:1607.06450, eqs. 20-22 of the supplement. LN scales
 * each vector to mean 0 and variance 1, then applies a learned gain and shift. The products of h for all gates are
 * normalised as one vector, and so are the products of x.
 *
 *   [i, f, o, g] = LN(W_h h) + LN(W_x x) + b
 *   c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
 *   h' = sigmoid(o) * tanh(LN(c'))
 */
import { cell } from "../compiler/dsl/cell.ts";
import { bias, dense, layerNorm } from "../compiler/dsl/dense.ts";
import { glorot, onesInit, orthogonal } from "../compiler/dsl/initializers.ts";
import { split } from "../compiler/ops/composed.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";

type Gates = [i: Tensor<"f32">, f: Tensor<"f32">, o: Tensor<"f32">, g: Tensor<"f32">];

/** LSTM with layer normalisation; states c and h: [units], output h. */
export const layerNormLstm = cell(
  "layer-norm-lstm",
  { state: ({ units }) => ({ c: [units], h: [units] }) },
  ({ x, c, h, units }) => {
    const recurrent = dense("recurrent", h, 4 * units, { kernel: orthogonal(), bias: false });
    const input = dense("input", x, 4 * units, { kernel: glorot, bias: false });
    const gates = add(layerNorm("recurrent_norm", recurrent), layerNorm("input_norm", input));
    const [i, f, o, g] = split(gates, 4) as Gates;
    const kept = mul(sigmoid(add(f, bias("forget_bias", units, onesInit))), c);
    const written = mul(sigmoid(add(i, bias("input_bias", units))), tanh(add(g, bias("candidate_bias", units))));
    const nextC = add(kept, written);
    const nextH = mul(sigmoid(add(o, bias("output_bias", units))), tanh(layerNorm("state_norm", nextC)));
    return { state: { c: nextC, h: nextH }, output: nextH };
  },
);
