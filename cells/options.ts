/** @file Validates the size options of cells. */
import { UserError } from "../compiler/graph/errors.ts";

/** Returns `value` if it is an integer above 0; throws a UserError otherwise. */
export function wholeOption(cell: string, option: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw new UserError(`${cell}: ${option} must be a whole number above 0, got ${value}`);
}

/** Divides `total` (such as "12 units") evenly among `parts`; throws a UserError if it is not a multiple. */
export function equalShare(cell: string, total: number, what: string, parts: number, ofWhat: string): number {
  if (total % wholeOption(cell, ofWhat, parts) === 0) return total / parts;
  throw new UserError(`${cell}: ${total} ${what} do not divide into ${parts} ${ofWhat}; choose a multiple of ${parts}`);
}
