/**
 * @file Random numbers inside a model. They are no state: a number is a pure function of a key, of the site that draws
 * it, of the time step, and of the element's position. So every device draws the same, and the backward pass draws what
 * the forward pass drew.
 *
 * A training step makes the key of its seed and its count of steps. Evaluation has no randomness: whatever draws takes
 * `Randomness | undefined`, and says what it does without.
 */
import { formatShape, type Shape } from "../graph/dim.ts";
import { positions, uniformFromBits } from "../ops/composed.ts";
import { less } from "../ops/elementwise.ts";
import { fnv1a } from "../ops/hash.ts";
import { randomBits } from "../ops/logic.ts";
import { broadcast, constant, fill, reshape } from "../ops/views.ts";
import { faultOf } from "../trace/fault.ts";
import type { Tensor } from "../trace/tensor.ts";

/** Where random numbers come from. Equal keys and sites give equal numbers, so every use gets a `fork` of its own. */
export interface Randomness {
  /** A scalar that is traced, or a number. */
  readonly key: Tensor<"u32"> | number;
  /** The place in the model that draws, as a number below 2^32. */
  readonly site: number;
}

/** Random numbers under a key: a scalar that is traced, or a number below 2^32. */
export function randomness(key: Tensor<"u32"> | number): Randomness {
  if (typeof key !== "number" && key.shape.length > 0)
    throw faultOf("randomness", `the key is ${formatShape(key.shape)}; expected a scalar`);
  return { key, site: fnv1a("") };
}

/** Random numbers that are independent of those of any other name. Without randomness there is none to give. */
export function fork<R extends Randomness | undefined>(random: R, name: string | number): R {
  return random === undefined ? random : { ...random, site: fnv1a(`/${name}`, random.site) };
}

/** The key of a step of training: another one for every seed (u32, a scalar) and number of the step (likewise). */
export function stepKey(seed: Tensor<"u32">, step: Tensor<"u32">): Tensor<"u32"> {
  return randomBits(seed, { site: fnv1a("training step"), step, index: constant(0, "u32") });
}

/**
 * True with a probability, for each element of `shape` on its own. In a loop over time, `step` u32 [shape[0]] is the
 * step at which each row is; without it every step draws the same. A number is compared in whole numbers, with 32 bits;
 * a tensor (a scalar) with the 24 bits of an f32.
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
