/** @file The type of rows in the tables of bad input. */

/**
 * A description of the input; the command line, in which `@` is the folder of test files and `''` an empty argument; and
 * the expected error line, in which `…` matches anything.
 */
export type BadInput = readonly [given: string, command: string, line: string];
