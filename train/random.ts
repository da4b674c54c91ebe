/**
 * @file Counter-based random numbers on the host: the n-th number of a stream is a pure function of (seed, name, n), so a
 * seed determines a run. Uses only operations that IEEE 754 rounds exactly (+, -, *, /, sqrt; `Math.log` and `Math.cos` can
 * differ by a bit between engines), so every host gets the same numbers.
 */
import { UserError } from "../compiler/graph/errors.ts";
import { fnv1a } from "../compiler/ops/hash.ts";
import { threefryBlock } from "../compiler/ops/threefry.ts";

export interface RandomStream {
  /** Uniform in [0, 1), with 53 bits. */
  readonly uniform: () => number;
  /** Standard normal. */
  readonly normal: () => number;
}

/** The stream of a seed (a whole number below 2^32) and a name; different names give independent streams. */
export function randomStream(seed: number, name: string): RandomStream {
  checkSeed(seed);
  const key = fnv1a(name);
  let counter = 0;
  let spare: number | undefined;
  const uniform = (): number => {
    const [high, low] = threefryBlock(seed, key, counter >>> 0, Math.floor(counter / 2 ** 32));
    counter += 1;
    return ((high >>> 5) * 2 ** 26 + (low >>> 6)) * 2 ** -53;
  };
  /** The polar method: Marsaglia & Bray 1964, "A convenient method for generating normal variables". */
  const normal = (): number => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    for (;;) {
      const [u, v] = [2 * uniform() - 1, 2 * uniform() - 1];
      const s = u * u + v * v;
      if (s === 0 || s >= 1) continue;
      const factor = Math.sqrt((-2 * exactLog(s)) / s);
      spare = v * factor;
      return u * factor;
    }
  };
  return { uniform, normal };
}

export function checkSeed(seed: number): void {
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32)
    throw new UserError(`the seed is ${seed}; expected a whole number from 0 to ${2 ** 32 - 1}`);
}

/** log(x) for x above 0: halvings, and the series of 2 atanh((x - 1) / (x + 1)). */
export function exactLog(x: number): number {
  let [mantissa, halvings] = [x, 0];
  while (mantissa < Math.SQRT1_2) {
    mantissa *= 2;
    halvings += 1;
  }
  while (mantissa > Math.SQRT2) {
    mantissa /= 2;
    halvings -= 1;
  }
  const z = (mantissa - 1) / (mantissa + 1);
  // |z| is at most 0.172, so the terms beyond degree 21 add up to less than 1e-17.
  let series = 0;
  for (let degree = 21; degree >= 1; degree -= 2) series = series * z * z + 1 / degree;
  return 2 * z * series - halvings * Math.LN2;
}
