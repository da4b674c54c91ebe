/**
 * @file Threefry-2x32 with 20 rounds, the counter-based generator of Salmon, Moraes, Dror and Shaw 2011 ("Parallel
 * random numbers: as easy as 1, 2, 3", section 3.3), in plain JavaScript. `threefry` in `kernel/math/random.ts` is the
 * same in the kernel IR; a test compares both with the authors' known answers.
 */

export const rotations = [13, 15, 26, 6, 17, 29, 16, 24] as const;
export const parity = 0x1bd11bda;

function rotateLeft(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

/** The first word of the block for key (k0, k1) and counter (c0, c1); all are u32. */
export function threefry(k0: number, k1: number, c0: number, c1: number): number {
  return threefryBlock(k0, k1, c0, c1)[0];
}

export function threefryBlock(k0: number, k1: number, c0: number, c1: number): [number, number] {
  const keys = [k0 | 0, k1 | 0, parity ^ k0 ^ k1];
  let x0 = (c0 + k0) | 0;
  let x1 = (c1 + k1) | 0;
  for (let group = 0; group < 5; group++) {
    for (let round = 0; round < 4; round++) {
      x0 = (x0 + x1) | 0;
      x1 = rotateLeft(x1, rotations[((group % 2) * 4 + round) as 0]) ^ x0;
    }
    x0 = (x0 + (keys[(group + 1) % 3] ?? 0)) | 0;
    x1 = (x1 + (keys[(group + 2) % 3] ?? 0) + group + 1) | 0;
  }
  return [x0 >>> 0, x1 >>> 0];
}
