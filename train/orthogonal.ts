/**
 * @file Random orthonormal vectors, uniformly distributed: products of Householder reflections of normal vectors
 * (Stewart 1980, "The efficient generation of random orthogonal matrices", SIAM J. Numer. Anal. 17(3), section 3), which
 * are the Q of a normal matrix without computing its R. Four reflections at a time, I - V T V' (Schreiber & Van Loan
 * 1989, SIAM J. Sci. Stat. Comput. 10(1)), are applied to four vectors at a time, whose 16 products stay in registers:
 * four vectors are stored interleaved, coordinate by coordinate.
 */

/** Number of blocks of four reflections that are applied to four vectors while these are in the cache. */
const blocksAtATime = 8;

/** Offset of a coordinate of a vector in the interleaved array. */
export const placeOf = (vector: number, coordinate: number, length: number): number =>
  ((vector >> 2) * length + coordinate) * 4 + (vector & 3);

/** Samples `count` orthonormal vectors with `length` coordinates (at least `count`), interleaved. */
export function orthonormalVectors(count: number, length: number, normal: () => number): Float64Array {
  const groups = Math.ceil(count / 4);
  const vectors = new Float64Array(4 * groups * length);
  const sums = new Float64Array(16);
  /** The coordinates from `first` on of the n-th four in `of`. */
  const four = (of: Float64Array, n: number, first: number) =>
    of.subarray(4 * (n * length + first), 4 * (n + 1) * length);
  for (let end = groups; end > 0; end -= blocksAtATime) {
    const start = Math.max(0, end - blocksAtATime);
    const sampled = new Float64Array(4 * (end - start) * length);
    for (let k = 4 * start; k < Math.min(4 * end, count); k++) {
      vectors[placeOf(k, k, length)] = sampleReflection(sampled, k - 4 * start, k, length, normal);
    }
    const blocks = Array.from({ length: end - start }, (_, b) => {
      const first = 4 * (start + b);
      const reflections = four(sampled, b, first);
      return { first, reflections, factor: factorOf(reflections) };
    });
    for (let group = start; group < groups; group++) {
      // The last reflection comes first. It does not change the unit vectors before its own.
      for (const { first, reflections, factor } of blocks.slice(0, group - start + 1).reverse())
        reflect(four(vectors, group, first), reflections, factor, sums);
    }
  }
  return vectors;
}

/**
 * Writes the vector of the reflection that maps a sampled normal vector of the coordinates from `first` on to the first of
 * them. Returns the sign that makes the diagonal of R positive, without which Q is not uniform (Mezzadri 2007,
 * arXiv:math-ph/0609050).
 */
function sampleReflection(
  into: Float64Array,
  vector: number,
  first: number,
  length: number,
  normal: () => number,
): number {
  let squares = 0;
  for (let k = first; k < length; k++) {
    const x = normal();
    into[placeOf(vector, k, length)] = x;
    squares += x * x;
  }
  const x = into[placeOf(vector, first, length)] ?? 0;
  const norm = x < 0 ? -Math.sqrt(squares) : Math.sqrt(squares);
  into[placeOf(vector, first, length)] = x + norm;
  return x < 0 ? 1 : -1;
}

/** T for four reflections, [4, 4] and upper triangular. Zeros, which pad the last block, reflect nothing. */
function factorOf(reflections: Float64Array): Float64Array {
  const gram = new Float64Array(16);
  products(reflections, reflections, gram);
  const factor = new Float64Array(16);
  for (let j = 0; j < 4; j++) {
    const square = gram[5 * j] ?? 0;
    const scale = square === 0 ? 0 : 2 / square;
    factor[5 * j] = scale;
    for (let i = 0; i < j; i++) {
      let sum = 0;
      for (let l = i; l < j; l++) sum += (factor[4 * i + l] ?? 0) * (gram[4 * l + j] ?? 0);
      factor[4 * i + j] = -scale * sum;
    }
  }
  return factor;
}

/** Applies four reflections to four vectors in place. `sums` is scratch space for 16 numbers. */
function reflect(vectors: Float64Array, reflections: Float64Array, factor: Float64Array, sums: Float64Array): void {
  products(reflections, vectors, sums);
  // T is upper triangular: from the top, a row of the product can overwrite a row of the sums.
  for (let i = 0; i < 16; i++) {
    let sum = 0;
    for (let l = i >> 2; l < 4; l++) sum += (factor[(i & 12) + l] ?? 0) * (sums[4 * l + (i & 3)] ?? 0);
    sums[i] = sum;
  }
  subtract(vectors, reflections, sums);
}

/** Writes the inner products of four vectors and four vectors, [4, 4], into `sums`. */
function products(a: Float64Array, b: Float64Array, sums: Float64Array): void {
  let [s00, s01, s02, s03, s10, s11, s12, s13] = [0, 0, 0, 0, 0, 0, 0, 0];
  let [s20, s21, s22, s23, s30, s31, s32, s33] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let k = 0; k < a.length; k += 4) {
    const a0 = a[k] ?? 0;
    const a1 = a[k + 1] ?? 0;
    const a2 = a[k + 2] ?? 0;
    const a3 = a[k + 3] ?? 0;
    const b0 = b[k] ?? 0;
    const b1 = b[k + 1] ?? 0;
    const b2 = b[k + 2] ?? 0;
    const b3 = b[k + 3] ?? 0;
    s00 += a0 * b0;
    s01 += a0 * b1;
    s02 += a0 * b2;
    s03 += a0 * b3;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s12 += a1 * b2;
    s13 += a1 * b3;
    s20 += a2 * b0;
    s21 += a2 * b1;
    s22 += a2 * b2;
    s23 += a2 * b3;
    s30 += a3 * b0;
    s31 += a3 * b1;
    s32 += a3 * b2;
    s33 += a3 * b3;
  }
  sums.set([s00, s01, s02, s03, s10, s11, s12, s13, s20, s21, s22, s23, s30, s31, s32, s33]);
}

/** Subtracts combinations of four vectors, with `factors` [4, 4], from four others. */
function subtract(from: Float64Array, vectors: Float64Array, factors: Float64Array): void {
  const [f00 = 0, f01 = 0, f02 = 0, f03 = 0, f10 = 0, f11 = 0, f12 = 0, f13 = 0] = factors;
  const [f20 = 0, f21 = 0, f22 = 0, f23 = 0, f30 = 0, f31 = 0, f32 = 0, f33 = 0] = factors.subarray(8);
  for (let k = 0; k < from.length; k += 4) {
    const v0 = vectors[k] ?? 0;
    const v1 = vectors[k + 1] ?? 0;
    const v2 = vectors[k + 2] ?? 0;
    const v3 = vectors[k + 3] ?? 0;
    from[k] = (from[k] ?? 0) - (f00 * v0 + f10 * v1 + f20 * v2 + f30 * v3);
    from[k + 1] = (from[k + 1] ?? 0) - (f01 * v0 + f11 * v1 + f21 * v2 + f31 * v3);
    from[k + 2] = (from[k + 2] ?? 0) - (f02 * v0 + f12 * v1 + f22 * v2 + f32 * v3);
    from[k + 3] = (from[k + 3] ?? 0) - (f03 * v0 + f13 * v1 + f23 * v2 + f33 * v3);
  }
}
