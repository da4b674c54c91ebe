/**
 * @file Which run a test belongs to. `npm test` is for the seconds after a change: it checks each rule by its cheapest
 * case. `npm run test:slow` has what takes seconds by nature (browsers, processes, an installed package, whole trainings,
 * large kernels on an emulated GPU), `npm run test:long` the rest of cross products and random searches. What is both slow
 * and long is long.
 *
 * A file of slow tests alone says `@module-tag slow` in its header, and `npm test` does not even read it; which files a run
 * reads is in `runs.ts`.
 */
import { test } from "vitest";

/** The tag of what `npm run test:slow` runs. */
export const slow = { tags: "slow" };

/** The tag of what `npm run test:long` runs. */
export const long = { tags: "long" };

const quick = {};

/** The options of a test that is slow but for some cases. */
export const slowUnless = (isQuick: boolean) => (isQuick ? quick : slow);

type Choice<Row> = (row: Row, index: number) => boolean;

/** As `test.each(rows)`: those that are not `always` tested are long, and of the others those that are not `isQuick` slow. */
export function someOf<const Row>(rows: readonly Row[], always: Choice<Row>, isQuick: Choice<Row> = () => true) {
  return (
    name: string,
    run: [Row] extends [readonly unknown[]] ? (...row: [...Row]) => unknown : (row: Row) => unknown,
  ) => {
    const tiers = rows.map((row, i) => (always(row, i) ? slowUnless(isQuick(row, i)) : long));
    for (const tier of [quick, slow, long]) {
      const chosen = rows.filter((_, i) => tiers[i] === tier);
      test.each(chosen as readonly object[])(name, tier, run as (row: object) => void);
    }
  };
}

/** As `test.each(rows)`: those that are not `isQuick` are slow. */
export const fewOf = <const Row>(rows: readonly Row[], isQuick: Choice<Row>) => someOf(rows, () => true, isQuick);
