/**
 * @file Leaky integrate-and-fire neurons with current-based synapses, trained by surrogate gradients: Neftci, Mostafa &
 * Zenke 2019, "Surrogate gradient learning in spiking neural networks", arXiv:1901.09948, eqs. 2, 4 and 5, in steps of
 * one unit of time and with the threshold 1.
 *
 *   s  = step(u - 1)                        spikes: 1 where the potential is above its threshold, else 0
 *   i' = exp(-1 / current) i + W x + V s    synaptic current, of the inputs and of the spikes of all units
 *   u' = exp(-1 / membrane) u + i - s       membrane potential, which a spike resets by 1
 *
 * The output is step(u' - 1). The step has the derivative 0, with which nothing would be learned. Going back, that of a fast
 * sigmoid stands for it: 1 / (1 + steepness |u - 1|)^2, Zenke & Ganguli 2018, "SuperSpike", arXiv:1705.11146, section 3.
 */
import { customGradient } from "../compiler/autodiff/custom-gradient.ts";
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { UserError } from "../compiler/graph/errors.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { square } from "../compiler/ops/composed.ts";
import { abs, add, cast, div, less, mul, sub } from "../compiler/ops/elementwise.ts";
import type { Tensor } from "../compiler/trace/tensor.ts";

/** Options of `lif`. */
export interface LifOptions {
  /** Steps in which the synaptic current falls to 1/e; 5 by default. */
  readonly current?: number;
  /** Steps in which the membrane potential falls to 1/e; 10 by default. */
  readonly membrane?: number;
  /** How fast the surrogate gradient falls on both sides of the threshold; 10 by default. */
  readonly steepness?: number;
}

/**
 * Leaky integrate-and-fire neurons; states i (current) and u (potential): [units], output spikes of 0 and 1. Its gradient is a
 * surrogate: `checkGradients` and `cellgrad check` compare it as one with the option `surrogates`.
 *
 * @throws UserError for an option that is not above 0.
 */
export function lif(options: LifOptions = {}) {
  const kinds = { current: "number", membrane: "number", steepness: "number" } as const;
  const { current = 5, membrane = 10, steepness = 10 } = checkedOptions("lif", options, kinds);
  for (const [name, value] of Object.entries({ current, membrane, steepness }))
    if (!(value > 0)) throw new UserError(`lif: ${name} must be a number above 0, got ${value}`);
  const spikes = customGradient(
    (above: Tensor<"f32">) => cast(less(0, above), "f32"),
    (ct, above) => div(ct, square(add(1, mul(abs(above), steepness)))),
  );
  return cell("lif", { state: ({ units }) => ({ i: [units], u: [units] }) }, ({ x, i, u, units }) => {
    const fired = spikes(sub(u, 1));
    const input = add(dense("input", x, units, { bias: false }), dense("recurrent", fired, units, { bias: false }));
    const nextCurrent = add(mul(i, Math.exp(-1 / current)), input);
    const nextPotential = sub(add(mul(u, Math.exp(-1 / membrane)), i), fired);
    return { state: { i: nextCurrent, u: nextPotential }, output: spikes(sub(nextPotential, 1)) };
  });
}
