/**
 * @file Memory around the arrays of a program on a CPU. WebAssembly ends a program that reads outside of its memory, and vectors
 * read the neighbours of what they want: of an array, lanes without work read in the margins, whatever is there.
 */

/** Bytes that lanes without work may be from the last number that one with work reads. */
export const mostBeyond = 2 ** 15;

/** Bytes before the first array of a memory, and behind the last one. Between arrays there need be none. */
export const margins = { before: 64, behind: 64 + mostBeyond } as const;
