/**
 * @file Threefry-2x32 with 20 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), its first
 * word.
 */
import { kernelFunction } from "../function.ts";

const rotations = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

/** A random word from a key of two words and a counter of two words. */
export const threefry = kernelFunction("cg_threefry", ["u32", "u32", "u32", "u32"], "u32", (f, k0, k1, c0, c1) => {
  const keys = [k0, k1, f.let("k2", f.bitXor(f.bitXor(f.u32(0x1bd11bda), k0), k1))] as const;
  const a = f.var("a", f.add(c0, k0));
  const b = f.var("b", f.add(c1, k1));
  for (const group of [0, 1, 2, 3, 4]) {
    for (const by of rotations[group % 2 === 0 ? 0 : 1]) {
      f.assign(a, f.add(a, b));
      f.assign(b, f.bitXor(f.bitOr(f.shiftLeft(b, f.u32(by)), f.shiftRight(b, f.u32(32 - by))), a));
    }
    const key = (i: number) => keys[((group + i) % 3) as 0 | 1 | 2];
    f.assign(a, f.add(a, key(1)));
    f.assign(b, f.add(b, f.add(key(2), f.u32(group + 1))));
  }
  return a;
});
