/**
 * @file Tables of cases that cover each other: of a cross product or a random search, `npm test` runs some cases, at least
 * one for each rule, and `npm run test:long` the others.
 */
import { test } from "vitest";

/** The tag of what `npm test` leaves out. */
export const long = { tags: "long" };

/** As `test.each(rows)`; those that are not `always` tested are long. */
export function someOf<const Row>(rows: readonly Row[], always: (row: Row, index: number) => boolean) {
  return (
    name: string,
    run: [Row] extends [readonly unknown[]] ? (...row: [...Row]) => unknown : (row: Row) => unknown,
  ) => {
    test.each(rows.filter(always) as readonly object[])(name, run as (row: object) => void);
    test.each(rows.filter((row, i) => !always(row, i)) as readonly object[])(name, long, run as (row: object) => void);
  };
}
