/**
 * @file JANET, "just another network": an LSTM with only the forget gate. Van der Westhuizen & Lasenby 2018, "The
 * unreasonable effectiveness of the forget gate", arXiv:1804.04849, section 3. It writes a little more than it forgets:
 * the write gate is shifted by beta.
 *
 *   s  = W_s [x, h] + b_s                   input of the gate
 *   n  = tanh(W_n [x, h] + b_n)             candidate
 *   h' = sigmoid(s) * h + (1 - sigmoid(s - beta)) * n
 *
 * b_s starts with the chrono initialization of Tallec & Ollivier 2018, arXiv:1804.11188, section 2: units remember for
 * different times, up to the number of steps of the longest dependency.
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { chrono, glorot, orthogonal } from "../compiler/dsl/initializers.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { oneMinus } from "../compiler/ops/composed.ts";
import { add, mul, sub } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";

const kernel = [glorot, orthogonal()];

/** Options of `janet`. */
export interface JanetOptions {
  /** beta, the shift of the write gate; 1 by default, as in the paper. */
  readonly beta?: number;
  /** Steps of the longest dependency (3 or more); 100 by default. */
  readonly longest?: number;
}

/** JANET; state h: [units], output h. */
export function janet(options: JanetOptions = {}) {
  const { beta = 1, longest = 100 } = checkedOptions("janet", options, { beta: "number", longest: "number" });
  const start = chrono(longest);
  return cell("janet", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
    const s = dense("forget", [x, h], units, { kernel, bias: start });
    const n = tanh(dense("candidate", [x, h], units, { kernel }));
    const next = add(mul(sigmoid(s), h), mul(oneMinus(sigmoid(sub(s, beta))), n));
    return { state: { h: next }, output: next };
  });
}
