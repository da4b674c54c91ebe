/**
 * @file Margins around the arrays of a CPU program. WebAssembly traps if a program reads outside its memory, and vector
 * loads read past the elements they need: lanes without work can read the margins, whatever is there.
 */

/** How far, in bytes, lanes without work can read past the last number that a lane with work reads. */
export const mostBeyond = 2 ** 15;

/** Bytes before the first array of a memory and after the last one. Between arrays none are needed. */
export const margins = { before: 64, behind: 64 + mostBeyond } as const;
