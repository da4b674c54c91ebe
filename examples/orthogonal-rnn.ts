/**
 * @file A linear recurrent network whose recurrent matrix starts orthogonal: past inputs rotate in the state from step to
 * step and never decay, and neither does the gradient. A linear cell can only shift and mix, which is all that copying
 * needs; it learns the copying task, for which gated cells need far longer:
 *
 *   cellgrad check examples/orthogonal-rnn.ts
 *   cellgrad task copy --cell examples/orthogonal-rnn.ts --time 50 --units 128 --lr 0.002 --lr-schedule cosine
 *
 * Henaff, Szlam & LeCun 2016, "Recurrent orthogonal networks and long-memory tasks", arXiv:1602.06662, section 3 (LT-ORNN):
 *
 *   h' = V h + U x + b                V orthogonal at the start
 */
import { cell, dense, glorot, orthogonal } from "cellgrad";

export default cell("orthogonal-rnn", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
  const next = dense("hidden", [x, h], units, { kernel: [glorot, orthogonal()] });
  return { state: { h: next }, output: next };
});
