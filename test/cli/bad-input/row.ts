/** @file A row of the tables of bad input. */

/**
 * What was given, in words; the command line, in which `@` stands for the folder of files and `''` for an empty text; and
 * the one line that is seen, in which `…` stands for anything.
 */
export type BadInput = readonly [given: string, command: string, line: string];
