/**
 * @file The linear recurrent unit: Orvieto et al. 2023, "Resurrecting recurrent neural networks for long sequences",
 * arXiv:2303.06349, section 3. The state is complex, and each of its entries rotates and decays independently; here its
 * real part a and imaginary part b are two real states.
 *
 *   lambda = exp(-e^nu + i e^theta)                       |lambda| < 1 for every nu
 *   s' = lambda s + gamma * (B x)                         s = a + i b, B complex
 *   y  = Re(C s') + D x                                   C complex, D real
 *   gamma = sqrt(1 - |lambda|^2)                          so that s has the variance of B x
 *
 * In the paper gamma is a parameter with this initial value; here it follows lambda. lambda starts in a ring (lemma 3.2),
 * B with deviation 1 / sqrt(2 features) and C with 1 / sqrt(units).
 */
import { cell } from "../compiler/dsl/cell.ts";
import { dense } from "../compiler/dsl/dense.ts";
import { normal, ringModulus, ringPhase } from "../compiler/dsl/initializers.ts";
import { parameter } from "../compiler/dsl/parameters.ts";
import { checkedOptions } from "../compiler/graph/options.ts";
import { add, mul, neg, sub } from "../compiler/ops/elementwise.ts";
import { cos, exp, expm1, sin, sqrt } from "../compiler/ops/transcendental.ts";

/** Options of `lru`. */
export interface LruOptions {
  /** Inner and outer radius of the ring of the initial lambda; 0.4 and 0.99 by default. */
  readonly radii?: readonly [inner: number, outer: number];
  /** Largest angle of the initial lambda, in radians; 2 pi by default. A smaller one is better for long sequences. */
  readonly phase?: number;
}

/** Linear recurrent unit; states a and b: [units], output y: [units]. */
export function lru(options: LruOptions = {}) {
  const { radii: [inner, outer] = [0.4, 0.99], phase = 2 * Math.PI } = checkedOptions("lru", options, {
    radii: "list",
    phase: "number",
  });
  const [modulus, angle] = [ringModulus(inner, outer), ringPhase(phase)];
  return cell("lru", { state: ({ units }) => ({ a: [units], b: [units] }) }, ({ x, a, b, units, features }) => {
    const decay = neg(exp(parameter("nu", [units], modulus)));
    const turn = exp(parameter("theta", [units], angle));
    const [re, im] = [mul(exp(decay), cos(turn)), mul(exp(decay), sin(turn))];
    const gamma = sqrt(neg(expm1(mul(2, decay))));

    const intoState = { kernel: normal(1 / Math.sqrt(2 * features)), bias: false } as const;
    const nextA = add(sub(mul(re, a), mul(im, b)), mul(gamma, dense("B/real", x, units, intoState)));
    const nextB = add(add(mul(re, b), mul(im, a)), mul(gamma, dense("B/imaginary", x, units, intoState)));

    const outOfState = { kernel: normal(1 / Math.sqrt(units)), bias: false } as const;
    const read = sub(dense("C/real", nextA, units, outOfState), dense("C/imaginary", nextB, units, outOfState));
    return { state: { a: nextA, b: nextB }, output: add(read, dense("D", x, units, { bias: false })) };
  });
}
