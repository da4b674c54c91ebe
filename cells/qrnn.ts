/**
 * @file The quasi-recurrent network: Bradbury, Merity, Xiong & Socher 2016, arXiv:1611.01576. Gates come from a
 * convolution of x over the current and past steps, and only an elementwise pooling is recurrent.
 *
 *   z  = tanh(W_z [x(t-k+1), …, x(t)])      eq. 1, with a filter of k steps; f, o and i are sigmoids of such
 *
 *   f     h' = f * h + (1 - f) * z                            eq. 3
 *   fo    c' = f * c + (1 - f) * z      h' = o * c'           eq. 4
 *   ifo   c' = f * c + i * z            h' = o * c'           eq. 5
 *
 * A step reads only one x. The contributions of past steps are therefore a state: `pending` stores, for each coming step,
 * the sum of the products of x so far (the transposed form of a filter). All products depend only on x and leave the
 * loop.
 */
import { cell, type State } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { oneMinus, pick, stack } from "../compiler/ops/composed.ts";
import { add, mul } from "../compiler/ops/elementwise.ts";
import { sigmoid, tanh } from "../compiler/ops/transcendental.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";
import { wholeOption } from "./options.ts";

type Float = Tensor<"f32">;

const gatesOf = { f: ["z", "f"], fo: ["z", "f", "o"], ifo: ["z", "f", "o", "i"] } as const;

/** Options of `qrnn`. */
export interface QrnnOptions {
  /** Which gates pool: f, fo or ifo; "fo" by default. */
  readonly pooling?: keyof typeof gatesOf;
  /** Width of the filters in steps, including the current one; 2 by default. */
  readonly width?: number;
}

/** Quasi-recurrent network; states c: [units] and, above width 1, pending: [gates, width - 1, units]; output h. */
export function qrnn(options: QrnnOptions = {}) {
  const { pooling = "fo", width = 2 } = checkedOptions("qrnn", options, { pooling: gatesOf, width: "number" });
  const gates: readonly string[] = gatesOf[pooling];
  const past = wholeOption("qrnn", "width", width) - 1;
  const waits = past > 0;
  return cell<string>(
    "qrnn",
    { state: ({ units }) => ({ c: [units], ...(waits && { pending: [gates.length, past, units] }) }) },
    ({ x, units, features: _, ...state }) => {
      const { c, pending } = state as State<"c" | "pending">;
      // For each gate: the filter's output now, then its partial sums for the coming steps.
      const filters = gates.map((name, gate) =>
        Array.from({ length: width }, (_, lag) => {
          const product = dense(`${name}/lag${lag}`, x, units, lag === 0 ? {} : { bias: false });
          return lag < past ? add(product, pick(pick(pending, gate, 1), lag, 1)) : product;
        }),
      );
      const [z, f, o, i] = filters.map(([now]) => now as Float) as [Float, Float, Float?, Float?];
      const forget = sigmoid(f);
      const nextC = add(mul(forget, c), mul(i === undefined ? oneMinus(forget) : sigmoid(i), tanh(z)));
      return {
        state: {
          c: nextC,
          ...(waits && {
            pending: stack(
              filters.map(([, ...later]) => stack(later, 1)),
              1,
            ),
          }),
        },
        output: o === undefined ? nextC : mul(sigmoid(o), nextC),
      };
    },
  );
}
