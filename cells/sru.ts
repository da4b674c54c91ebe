/**
 * @file The simple recurrent unit: Lei, Zhang, Wang, Dai & Artzi 2018, arXiv:1709.02755, eqs. 1-4. The state reaches the
 * gates through one weight per unit, so that all matrix products depend only on x and leave the loop.
 *
 *   f  = sigmoid(W_f x + v_f * c + b_f)     forget gate
 *   r  = sigmoid(W_r x + v_r * c + b_r)     reset gate, which also reads the old state
 *   c' = f * c + (1 - f) * (W x)
 *   h' = r * c' + (1 - r) * x               highway
 *
 * If the width of x differs from the units, the highway uses a product W_x x instead of x.
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { uniform } from "../compiler/dsl/initializers.ts";
import { parameter } from "../compiler/dsl/parameters.ts";
import { oneMinus } from "../compiler/ops/composed.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid } from "../compiler/ops/transcendental.ts";

/** Simple recurrent unit; state c: [units], output h. */
export const sru = cell("sru", { state: ({ units }) => ({ c: [units] }) }, ({ x, c, units, features }) => {
  // Products preserve the variance of x (section 3.2 of the paper).
  const kernel = uniform(-Math.sqrt(3 / features), Math.sqrt(3 / features));
  const recurrent = (gate: string) => mul(parameter(`${gate}/recurrent`, [units], uniform(-1, 1)), c);
  const f = sigmoid(add(dense("forget", x, units, { kernel }), recurrent("forget")));
  const r = sigmoid(add(dense("reset", x, units, { kernel }), recurrent("reset")));
  const next = add(mul(f, c), mul(oneMinus(f), dense("candidate", x, units, { kernel, bias: false })));
  const highway = features === units ? x : dense("highway", x, units, { kernel, bias: false });
  return { state: { c: next }, output: add(mul(r, next), mul(oneMinus(r), highway)) };
});
