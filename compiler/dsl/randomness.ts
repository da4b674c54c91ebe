/**
 * @file Random numbers inside a model. There is no generator state: a number is a pure function of a key, a site in the
 * model, the time step and the element's position. So every device generates the same numbers, and the backward pass
 * generates those of the forward pass again.
 *
 * A training step derives the key from its seed and its step count. Evaluation has no randomness: a function that uses
 * random numbers accepts `Randomness | undefined` and documents what undefined does.
 */
import { formatShape, type Shape } from "../graph/dim.ts";
import { positions, uniformFromBits } from "../ops/composed.ts";
import { less } from "../ops/elementwise.ts";
import { fnv1a } from "../ops/hash.ts";
import { randomBits } from "../ops/logic.ts";
import { broadcast, constant, fill, reshape } from "../ops/views.ts";
import { faultOf } from "../trace/fault.ts";
import type { Tensor } from "../trace/tensor.ts";

/** A source of random numbers. Equal keys and sites give equal numbers, so each use needs its own `fork`. */
export interface Randomness {
  /** A traced scalar or a number. */
  readonly key: Tensor<"u32"> | number;
  /** The place in the model that uses the numbers, as an integer below 2^32. */
  readonly site: number;
}

/** Random numbers for a key: a traced scalar or an integer below 2^32. */
export function randomness(key: Tensor<"u32"> | number): Randomness {
  if (typeof key !== "number" && key.shape.length > 0)
    throw faultOf("randomness", `the key is ${formatShape(key.shape)}; expected a scalar`);
  return { key, site: fnv1a("") };
}

/** Random numbers that are independent of those under any other name; undefined for undefined. */
export function fork<R extends Randomness | undefined>(random: R, name: string | number): R {
  return random === undefined ? random : { ...random, site: fnv1a(`/${name}`, random.site) };
}

/** The key of a training step: different for every seed and step number, both u32 scalars. */
export function stepKey(seed: Tensor<"u32">, step: Tensor<"u32">): Tensor<"u32"> {
  return randomBits(seed, { site: fnv1a("training step"), step, index: constant(0, "u32") });
}

/**
 * True with the given probability, independently for each element of `shape`. In a loop over time, `step` u32
 * [shape[0]] is the time step of each row; without it every step gets the same values. A number is compared as a 32-bit
 * integer, a scalar tensor with the 24 bits of an f32.
 */
export function bernoulli(
  random: Randomness,
  probability: number | Tensor<"f32">,
  shape: Shape,
  step?: Tensor<"u32">,
): Tensor<"bool"> {
  const at = step === undefined ? {} : { step: broadcast(reshape(step, [...step.shape, ...ones(shape, step)]), shape) };
  const draw = () => randomBits(random.key, { site: random.site, index: positions(shape), ...at });
  if (typeof probability !== "number") return less(uniformFromBits(draw()), probability);
  if (!(probability >= 0 && probability <= 1))
    throw faultOf("bernoulli", `the probability is ${probability}; expected a number from 0 to 1`);
  const threshold = Math.round(probability * 2 ** 32);
  return threshold === 0 || threshold === 2 ** 32 ? fill(shape, threshold && 1, "bool") : less(draw(), threshold);
}

function ones(shape: Shape, leading: Tensor): number[] {
  return shape.slice(leading.shape.length).map(() => 1);
}
