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
 * new cell remembers. With several heads, the columns of W that multiply h are block-diagonal (section 2.2): a unit reads
 * the units of its own head.
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, type Initializer, orthogonal } from "../compiler/dsl/initializers.ts";
import { parameter } from "../compiler/dsl/parameters.ts";
import { at } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { logSigmoid } from "../compiler/ops/composed.ts";
import { einsum } from "../compiler/ops/einsum.ts";
import { add, div, less, max, mul, sub } from "../compiler/ops/elementwise.ts";
import { where } from "../compiler/ops/logic.ts";
import { exp, sigmoid, tanh } from "../compiler/ops/transcendental.ts";
import { reshape } from "../compiler/ops/views.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import { equalShare } from "./options.ts";

/** Options of `slstm`. */
export interface SlstmOptions {
  /** Groups of units that do not read each other's h, each with a share of the units; 1 by default. */
  readonly heads?: number;
}

/** LSTM with exponential gates; states c, n, m and h: [units], output h. */
export function slstm(options: SlstmOptions = {}) {
  const { heads = 1 } = checkedOptions("slstm", options, { heads: "number" });
  const widthOf = (units: number) => equalShare("slstm", units, "units", heads, "heads");
  return cell(
    "slstm",
    {
      state: ({ units }) => {
        widthOf(units);
        return { c: [units], n: [units], m: [units], h: [units] };
      },
    },
    ({ x, c, n, m, h, units }) => {
      const gate = (name: string, bias: number) => {
        if (heads === 1) return dense(name, [x, h], units, { kernel: [glorot, orthogonal()], bias });
        return add(dense(name, x, units, { bias }), ofOwnHead(`${name}/recurrent`, h, heads));
      };
      const logI = gate("input", 0);
      const logF = logSigmoid(gate("forget", 3));
      const o = sigmoid(gate("output", 0));
      const z = tanh(gate("candidate", 0));
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
}

/** h times a block-diagonal matrix, whose blocks are stored below each other: [units, units / heads]. */
function ofOwnHead(name: string, h: Tensor<"f32">, heads: number): Tensor<"f32"> {
  const [batch, units] = [at(h.shape, 0), Number(h.shape[1])];
  const width = units / heads;
  const blocks: Initializer = {
    kind: "rows",
    parts: Array.from({ length: heads }, () => ({ rows: width, initializer: orthogonal() })),
  };
  const weights = reshape(parameter(name, [units, width], blocks), [heads, width, width]);
  return reshape(einsum("bhi,hij->bhj", reshape(h, [batch, heads, width]), weights), [batch, units]);
}
