/**
 * @file Initializers of parameters. An initializer is plain data, so that it can be stored with the parameter;
 * `train/initialize.ts` computes its values from a key.
 */
import { UserError } from "../graph/errors.ts";

/** How a parameter is initialized. */
export type Initializer =
  | { readonly kind: "constant"; readonly value: number }
  /** Uniform in ±sqrt(6 / (fan in + fan out)): Glorot & Bengio 2010, eq. 16. */
  | { readonly kind: "glorot" }
  /** A random matrix with orthonormal rows or columns: Saxe et al. 2014, arXiv:1312.6120. */
  | { readonly kind: "orthogonal"; readonly gain: number }
  /** `gain` on the diagonal and zeros elsewhere: Le et al. 2015, arXiv:1504.00941. */
  | { readonly kind: "identity"; readonly gain: number }
  | { readonly kind: "normal"; readonly deviation: number }
  | { readonly kind: "uniform"; readonly low: number; readonly high: number }
  /** log of a uniform number in [1, longest - 1]: Tallec & Ollivier 2018, arXiv:1804.11188, section 2. */
  | { readonly kind: "chrono"; readonly longest: number }
  /**
   * nu such that e^(-e^nu) is the modulus of a uniform point in a ring: Orvieto et al. 2023, arXiv:2303.06349, lemma
   * 3.2.
   */
  | { readonly kind: "ringModulus"; readonly inner: number; readonly outer: number }
  /** theta such that e^theta is a uniform angle in (0, largest] (same source). */
  | { readonly kind: "ringPhase"; readonly largest: number }
  /** Several initializers, each for some rows: for the kernel of concatenated inputs. */
  | { readonly kind: "rows"; readonly parts: readonly { readonly rows: number; readonly initializer: Initializer }[] };

/** Every element is `value`. */
export const constantInit = (value: number): Initializer => ({ kind: "constant", value });
/** Zeros. */
export const zerosInit: Initializer = constantInit(0);
/** Ones. */
export const onesInit: Initializer = constantInit(1);
/** Uniform in ±sqrt(6 / (fan in + fan out)): Glorot & Bengio 2010, eq. 16. */
export const glorot: Initializer = { kind: "glorot" };
/** A random matrix with orthonormal rows or columns, times `gain`: Saxe et al. 2014, arXiv:1312.6120. */
export const orthogonal = (gain = 1): Initializer => ({ kind: "orthogonal", gain });
/** Ones on the diagonal, times `gain`, and zeros elsewhere. */
export const identity = (gain = 1): Initializer => ({ kind: "identity", gain });
/** Normal around 0, with the given standard deviation. */
export const normal = (deviation: number): Initializer => ({ kind: "normal", deviation });
/** Uniform between `low` and `high`. */
export const uniform = (low: number, high: number): Initializer => ({ kind: "uniform", low, high });

/** For the bias of a forget gate: some units remember for up to `longest` steps (3 or more). */
export function chrono(longest: number): Initializer {
  if (longest >= 3) return { kind: "chrono", longest };
  throw new UserError(`chrono: longest must be 3 or more steps, got ${longest}`);
}

/** Moduli in a ring with 0 <= inner < outer < 1. */
export function ringModulus(inner: number, outer: number): Initializer {
  if (0 <= inner && inner < outer && outer < 1) return { kind: "ringModulus", inner, outer };
  throw new UserError(`ringModulus: expected 0 <= inner < outer < 1, got ${inner} and ${outer}`);
}

/** Angles up to `largest`, in radians, which must be above 0. */
export function ringPhase(largest: number): Initializer {
  if (largest > 0) return { kind: "ringPhase", largest };
  throw new UserError(`ringPhase: the largest angle must be above 0, got ${largest}`);
}
