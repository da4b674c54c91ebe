/**
 * @file A recurrent network without squashing, whose recurrent matrix starts orthogonal: what it has seen turns in its
 * state from step to step and never fades, and neither does the gradient on its way back. A linear cell can only shift and
 * mix, which is all that copying asks for; it learns the copying task, on which gated cells need far longer:
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
