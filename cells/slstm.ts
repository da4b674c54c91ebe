/**
 * @file The sLSTM of Beck et al. 2024, "xLSTM: extended long short-term memory", arXiv:2405.04517, eqs. 8-17: exponential
 * gates, a normalizer n that sums their weights, and a stabilizer m, the running maximum of their logarithms, which keeps
 * all exponents at or below 0 and cancels in the output.
 *
 *   i~ = W_i [x, h] + b_i                       logarithm of the input gate
 *   f~ = log sigmoid(W_f [x, h] + b_f)          logarithm of the forget gate
 *   o  = sigmoid(W_o [x, h] + b_o)              output gate
 *   z  = tanh(W_z [x, h] + b_z)                 cell input
 *   m' = max(f~ + m, i~)                        i~ at the first step, which has no previous state
 *   c' = e^(f~ + m - m') * c + e^(i~ - m') * z
 *   n' = e^(f~ + m - m') * n + e^(i~ - m')
 *   h' = o * c' / n'
 *
 * One of the two exponents is 0 in every step, so n' is at least 1 and the division is safe. b_f starts at 3, so that a
 * new cell remembers.
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, orthogonal } from "../compiler/dsl/initializers.ts";
import { logSigmoid } from "../compiler/ops/composed.ts";
import { add, div, less, max, mul, sub } from "../compiler/ops/elementwise.ts";
import { where } from "../compiler/ops/logic.ts";
import { exp, sigmoid, tanh } from "../compiler/ops/transcendental.ts";

const kernel = [glorot, orthogonal()];

/** LSTM with exponential gates; states c, n, m and h: [units], output h. */
export const slstm = cell(
  "slstm",
  { state: ({ units }) => ({ c: [units], n: [units], m: [units], h: [units] }) },
  ({ x, c, n, m, h, units }) => {
    const logI = dense("input", [x, h], units, { kernel });
    const logF = logSigmoid(dense("forget", [x, h], units, { kernel, bias: 3 }));
    const o = sigmoid(dense("output", [x, h], units, { kernel }));
    const z = tanh(dense("candidate", [x, h], units, { kernel }));
    // n is 0 before the first step and above 0 after it.
    const kept = where(less(0, n), add(logF, m), logI);
    const nextM = max(kept, logI);
    const [f, i] = [exp(sub(kept, nextM)), exp(sub(logI, nextM))];
    const nextC = add(mul(f, c), mul(i, z));
    const nextN = add(mul(f, n), i);
    const nextH = mul(o, div(nextC, nextN));
    return { state: { c: nextC, n: nextN, m: nextM, h: nextH }, output: nextH };
  },
);
