/**
 * @file Gated linear attention: Yang, Wang, Shen, Panda & Kim 2023, "Gated linear attention transformers with
 * hardware-efficient training", arXiv:2312.06635, sections 4.1 and 4.4. A memory S of values by key, of which every key
 * dimension fades by its own gate. A memory has half as many key dimensions as values.
 *
 *   q  = W_q x           k = W_k x           v = W_v x
 *   a  = sigmoid(W_a2 W_a1 x + b_a)^(1/16)         decay of each key dimension, by way of 16 numbers
 *   S' = diag(a) S + k v^T                         eq. 3
 *   o  = LN(S'^T q)                                for each head
 *   r  = swish(W_r x + b_r)
 *   y  = W_o (r * o)
 *
 * All heads share gain and shift of their layer norm. y has no bias.
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense, layerNorm } from "../compiler/dsl/dense.ts";
import { at } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { logSigmoid, outer } from "../compiler/ops/composed.ts";
import { matmul } from "../compiler/ops/contractions.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { exp, sigmoid } from "../compiler/ops/transcendental.ts";
import { reshape } from "../compiler/ops/views.ts";
import { equalShare } from "./options.ts";

/** Options of `gatedLinearAttention`. */
export interface GatedLinearAttentionOptions {
  /** Memories side by side, each with a share of the units; 1 by default. */
  readonly heads?: number;
}

/** The width of what decays are computed from, and the root that brings them near 1: section 4.4. */
const [decayRank, temperature] = [16, 16];

/** Gated linear attention; with d = units / heads, state S: [heads, d / 2, d], output y. */
export function gatedLinearAttention(options: GatedLinearAttentionOptions = {}) {
  const name = "gated-linear-attention";
  const { heads = 1 } = checkedOptions(name, options, { heads: "number" });
  const widthOf = (units: number) => 2 * equalShare(name, units, "units", 2 * heads, "halves of heads");
  return cell(
    name,
    {
      state: ({ units }) => {
        const d = widthOf(units);
        return { S: [heads, d / 2, d] };
      },
    },
    ({ x, S, units }) => {
      const [batch, d] = [at(x.shape, 0), widthOf(units)];
      const byHead = (all: typeof x) => reshape(all, [batch, heads, -1]);
      const q = byHead(dense("query", x, units / 2, { bias: false }));
      const k = byHead(dense("key", x, units / 2, { bias: false }));
      const v = byHead(dense("value", x, units, { bias: false }));
      const fading = dense("decay", dense("decay/in", x, decayRank, { bias: false }), units / 2);
      const a = byHead(exp(mul(logSigmoid(fading), 1 / temperature)));

      const next = add(mul(reshape(a, [batch, heads, d / 2, 1]), S), outer(k, v));
      const found = reshape(matmul(reshape(q, [batch, heads, 1, d / 2]), next), [batch, heads, d]);
      const o = reshape(layerNorm("norm", found), [batch, units]);
      const r = dense("gate", x, units);
      return { state: { S: next }, output: dense("output", mul(mul(r, sigmoid(r)), o), units, { bias: false }) };
    },
  );
}
