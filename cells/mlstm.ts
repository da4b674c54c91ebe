/**
 * @file The mLSTM of Beck et al. 2024, "xLSTM: extended long short-term memory", arXiv:2405.04517, eqs. 19-27: the memory
 * is a matrix to which each step adds a value for a key, and which is read with a query. Gates depend only on x, are one
 * number per head, and are stabilised by the running maximum m of their logarithms, as in the sLSTM.
 *
 *   q = W_q x + b_q      k = W_k x / sqrt(d) + b_k      v = W_v x + b_v
 *   i~ = w_i x + b_i                            logarithm of the input gate
 *   f~ = log sigmoid(w_f x + b_f)               logarithm of the forget gate
 *   o  = sigmoid(W_o x + b_o)                   output gate
 *   m' = max(f~ + m, i~)
 *   C' = e^(f~ + m - m') C + e^(i~ - m') v k^T
 *   n' = e^(f~ + m - m') n + e^(i~ - m') k
 *   h' = o * C' q / max(|n' q|, e^(-m'))        the 1 of eq. 21, under the same scale as n'
 *
 * b_f starts at 3, so that a new memory retains its content.
 */
import { cell } from "../compiler/dsl/cell.ts";
import { bias, dense } from "../compiler/dsl/dense.ts";
import { at } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { logSigmoid, outer } from "../compiler/ops/composed.ts";
import { matmul } from "../compiler/ops/contractions.ts";
import { abs, add, div, max, mul, neg, sub } from "../compiler/ops/elementwise.ts";
import { exp, sigmoid } from "../compiler/ops/transcendental.ts";
import { reshape, sum } from "../compiler/ops/views.ts";
import { equalShare } from "./options.ts";

/** Options of `mlstm`. */
export interface MlstmOptions {
  /** Memories side by side, each with a share of the units; 1 by default. */
  readonly heads?: number;
}

/** LSTM with a matrix memory; with d = units / heads, states C: [heads, d, d], n: [heads, d], m: [heads, 1]. */
export function mlstm(options: MlstmOptions = {}) {
  const { heads = 1 } = checkedOptions("mlstm", options, { heads: "number" });
  const widthOf = (units: number) => equalShare("mlstm", units, "units", heads, "heads");
  return cell(
    "mlstm",
    {
      state: ({ units }) => {
        const d = widthOf(units);
        return { C: [heads, d, d], n: [heads, d], m: [heads, 1] };
      },
    },
    ({ x, C, n, m, units }) => {
      const [batch, d] = [at(x.shape, 0), widthOf(units)];
      const byHead = (all: typeof x) => reshape(all, [batch, heads, -1]);
      const q = byHead(dense("query", x, units));
      const product = dense("key", x, units, { bias: false });
      const k = byHead(add(mul(product, 1 / Math.sqrt(d)), bias("key/bias", units)));
      const v = byHead(dense("value", x, units));
      const logI = byHead(dense("input", x, heads));
      const logF = byHead(logSigmoid(dense("forget", x, heads, { bias: 3 })));
      const o = sigmoid(dense("output", x, units));

      const nextM = max(add(logF, m), logI);
      const [f, i] = [exp(sub(add(logF, m), nextM)), exp(sub(logI, nextM))];
      const nextC = add(mul(reshape(f, [batch, heads, 1, 1]), C), outer(mul(i, v), k));
      const nextN = add(mul(f, n), mul(i, k));
      const found = reshape(matmul(nextC, reshape(q, [batch, heads, d, 1])), [batch, heads, d]);
      const weight = abs(sum(mul(nextN, q), -1, { keepAxes: true }));
      const read = div(found, max(weight, exp(neg(nextM))));
      return { state: { C: nextC, n: nextN, m: nextM }, output: mul(o, reshape(read, [batch, units])) };
    },
  );
}
