/** @file Options of cells that come in several sizes: what they must be, and what one is told where they are not. */
import { UserError } from "../compiler/graph/errors.ts";

/** `value`, where it is a whole number above 0. */
export function wholeOption(cell: string, option: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw new UserError(`${cell}: ${option} must be a whole number above 0, got ${value}`);
}

/** How much each of `parts` gets where `total` (such as "12 units") is divided among them evenly. */
export function equalShare(cell: string, total: number, what: string, parts: number, ofWhat: string): number {
  if (total % wholeOption(cell, ofWhat, parts) === 0) return total / parts;
  throw new UserError(`${cell}: ${total} ${what} do not divide into ${parts} ${ofWhat}; choose a multiple of ${parts}`);
}
