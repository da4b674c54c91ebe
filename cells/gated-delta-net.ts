/**
 * @file The gated DeltaNet: Yang, Kautz & Hatamizadeh 2024, "Gated delta networks: improving Mamba2 with delta rule",
 * arXiv:2412.06464, eq. 10 and section 3.4. Each step lets a matrix memory fade and corrects what it has stored for a
 * key, rather than adding to it.
 *
 *   q, k, v = swish(conv(W_q x)), swish(conv(W_k x)), swish(conv(W_v x))        q and k are scaled to length 1
 *   a  = exp(-e^A softplus(W_a x + b_a))                decay, one number per head
 *   b  = sigmoid(W_b x)                                 how much is corrected
 *   S' = S a (I - b k k^T) + b v k^T                    computed as a S + b (v - a S k) k^T
 *   o  = RMSNorm(S' q)                                  for each head
 *   y  = W_o (o * swish(W_g x))
 *
 * The convolution is over the current and the past steps, for each unit of its own. `pending` stores, for each coming
 * step, the sum of its terms so far. e^A starts uniform in [1, 16], and b_a so that softplus(b_a) = 0.01, in the range of
 * Gu & Dao 2023, arXiv:2312.00752, section 3.6. All heads share the gain of their norm.
 */
import { cell, type State } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { chrono, onesInit, uniform } from "../compiler/dsl/initializers.ts";
import { parameter } from "../compiler/dsl/parameters.ts";
import { at } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { mean, outer, pick, square, stack } from "../compiler/ops/composed.ts";
import { matmul } from "../compiler/ops/contractions.ts";
import { add, div, mul, neg, sub } from "../compiler/ops/elementwise.ts";
import { exp, sigmoid, softplus, sqrt } from "../compiler/ops/transcendental.ts";
import { reshape, sum } from "../compiler/ops/views.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import { equalShare, wholeOption } from "./options.ts";

type Float = Tensor<"f32">;

/** Options of `gatedDeltaNet`. */
export interface GatedDeltaNetOptions {
  /** Memories side by side, each with a share of the units; 1 by default. */
  readonly heads?: number;
  /** Width of the convolutions in steps, including the current one; 4 by default. */
  readonly width?: number;
}

const convolved = ["query", "key", "value"] as const;
const epsilon = 1e-6;
const initialStep = 0.01;

/** Gated DeltaNet; with d = units / heads, states S: [heads, d, d] and, above width 1, pending: [3, width - 1, units]; output y. */
export function gatedDeltaNet(options: GatedDeltaNetOptions = {}) {
  const name = "gated-delta-net";
  const { heads = 1, width = 4 } = checkedOptions(name, options, { heads: "number", width: "number" });
  const past = wholeOption(name, "width", width) - 1;
  const widthOf = (units: number) => equalShare(name, units, "units", heads, "heads");
  return cell<string>(
    name,
    {
      state: ({ units }) => {
        const d = widthOf(units);
        return { S: [heads, d, d], ...(past > 0 && { pending: [convolved.length, past, units] }) };
      },
    },
    ({ x, units, features: _, ...state }) => {
      const { S, pending } = state as State<"S" | "pending">;
      const [batch, d] = [at(x.shape, 0), widthOf(units)];
      const byHead = (all: Float) => reshape(all, [batch, heads, -1]);
      const perHead = (all: Float) => reshape(all, [batch, heads, 1]);
      // For each convolution: its sum now, then its partial sums for the coming steps.
      const filters = convolved.map((what, i) => {
        const product = dense(what, x, units, { bias: false });
        const filter = parameter(
          `${what}/filter`,
          [width, units],
          uniform(-1 / Math.sqrt(width), 1 / Math.sqrt(width)),
        );
        return Array.from({ length: width }, (_, lag) => {
          const term = mul(pick(filter, lag), product);
          return lag < past ? add(term, pick(pick(pending, i, 1), lag, 1)) : term;
        });
      });
      const [q, k, v] = filters.map(([now]) => byHead(swish(now as Float))) as [Float, Float, Float];
      const [query, key] = [unitLength(q), unitLength(k)];
      const rate = exp(parameter("decay/rate", [heads], chrono(17)));
      const step = softplus(dense("decay", x, heads, { bias: Math.log(Math.expm1(initialStep)) }));
      const a = perHead(exp(neg(mul(rate, step))));
      const b = perHead(sigmoid(dense("correction", x, heads, { bias: false })));

      const faded = mul(reshape(a, [batch, heads, 1, 1]), S);
      const read = (memory: Float, by: Float) =>
        reshape(matmul(memory, reshape(by, [batch, heads, d, 1])), [batch, heads, d]);
      const next = add(faded, outer(mul(b, sub(v, read(faded, key))), key));
      const found = read(next, query);
      const scale = sqrt(add(mean(square(found), -1, { keepAxes: true }), epsilon));
      const o = mul(div(found, scale), parameter("norm/gain", [d], onesInit));
      const gate = swish(dense("gate", x, units, { bias: false }));
      return {
        state: {
          S: next,
          ...(past > 0 && {
            pending: stack(
              filters.map(([, ...later]) => stack(later, 1)),
              1,
            ),
          }),
        },
        output: dense("output", mul(reshape(o, [batch, units]), gate), units, { bias: false }),
      };
    },
  );
}

function swish(x: Float): Float {
  return mul(x, sigmoid(x));
}

function unitLength(x: Float): Float {
  return div(x, sqrt(add(sum(square(x), -1, { keepAxes: true }), epsilon)));
}
