/**
 * @file How a parameter starts. An initializer is plain data, so that it can be stored beside the parameter; what it
 * makes of a key stands in `train/initialize.ts`.
 */

/** How a parameter starts. */
export type Initializer =
  | { readonly kind: "constant"; readonly value: number }
  /** Uniform in ±sqrt(6 / (fan in + fan out)): Glorot & Bengio 2010, eq. 16. */
  | { readonly kind: "glorot" }
  /** A random matrix with orthonormal rows or columns: Saxe et al. 2014, arXiv:1312.6120. */
  | { readonly kind: "orthogonal"; readonly gain: number }
  | { readonly kind: "normal"; readonly deviation: number }
  | { readonly kind: "uniform"; readonly low: number; readonly high: number }
  /** Several initializers, each for its own rows: what a kernel of concatenated operands needs. */
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
/** Normal around 0, with the given standard deviation. */
export const normal = (deviation: number): Initializer => ({ kind: "normal", deviation });
/** Uniform between `low` and `high`. */
export const uniform = (low: number, high: number): Initializer => ({ kind: "uniform", low, high });
