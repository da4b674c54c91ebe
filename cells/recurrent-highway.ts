/**
 * @file The recurrent highway network: Zilly, Srivastava, Koutník & Schmidhuber 2017, arXiv:1607.03474, eqs. 6-9. From
 * step to step the state passes through several highway layers; x enters the first. The carry gate is c = 1 - t, as in the
 * paper's experiments.
 *
 *   s_0 = h
 *   n_l = tanh(W_n x [l = 1] + R_n s_(l-1) + b_n)         candidate of layer l
 *   t_l = sigmoid(W_t x [l = 1] + R_t s_(l-1) + b_t)      transform gate
 *   s_l = n_l * t_l + s_(l-1) * (1 - t_l)
 *   h'  = s_L
 *
 * b_t starts at -2, so that a new cell carries its state through all layers.
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { glorot, orthogonal } from "../compiler/dsl/initializers.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { oneMinus } from "../compiler/ops/composed.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";
import { wholeOption } from "./options.ts";

/** Options of `recurrentHighway`. */
export interface RecurrentHighwayOptions {
  /** Highway layers from one step to the next; 3 by default. */
  readonly depth?: number;
}

/** Recurrent highway network; state h: [units], output h. */
export function recurrentHighway(options: RecurrentHighwayOptions = {}) {
  const { depth = 3 } = checkedOptions("recurrentHighway", options, { depth: "number" });
  const layers = Array.from({ length: wholeOption("recurrent-highway", "depth", depth) }, (_, layer) => layer);
  return cell("recurrent-highway", { state: ({ units }) => ({ h: [units] }) }, ({ x, h, units }) => {
    const next = layers.reduce((s, layer) => {
      const seen = layer === 0 ? [x, s] : [s];
      const kernel = layer === 0 ? [glorot, orthogonal()] : orthogonal();
      const n = tanh(dense(`${layer}/candidate`, seen, units, { kernel }));
      const t = sigmoid(dense(`${layer}/transform`, seen, units, { kernel, bias: -2 }));
      return add(mul(n, t), mul(s, oneMinus(t)));
    }, h);
    return { state: { h: next }, output: next };
  });
}
