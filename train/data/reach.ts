/**
 * @file Values so far from all others that f32, in which devices compute, cannot hold their squares: a slip of a decimal
 * point, or a number that stands for "none". Said before anything is trained, since a loss would only become infinite.
 */
import { at, UserError } from "../../compiler/graph/errors.ts";
import type { Normalisation } from "./normalisation.ts";

/** In standard deviations. Its square leaves eight of f32's 38 decimal powers to sums and to what weights make of it. */
const farthest = 1e15;

interface Extreme {
  readonly value: number;
  readonly place: string;
}

/** The least and the greatest value of each column, and where they stand. */
export class Extremes {
  readonly #least: Extreme[] = [];
  readonly #greatest: Extreme[] = [];

  /** The next row; `place` is what messages call it, such as "line 3". */
  add(row: readonly number[], place: string): void {
    for (const [column, value] of row.entries()) {
      if (!(value >= (this.#least[column]?.value ?? Number.POSITIVE_INFINITY))) this.#least[column] = { value, place };
      if (!(value <= (this.#greatest[column]?.value ?? Number.NEGATIVE_INFINITY)))
        this.#greatest[column] = { value, place };
    }
  }

  /** Throws a UserError where a value of the table `name` is out of reach. */
  check(name: string, columns: readonly string[], { mean, deviation }: Normalisation): void {
    for (const [column, title] of columns.entries()) {
      for (const { value, place } of [at(this.#least, column), at(this.#greatest, column)]) {
        const distance = Math.abs(value - at(mean, column)) / at(deviation, column);
        if (distance <= farthest) continue;
        throw new UserError(
          `${name}, ${place}, ${title}: ${value} is ${distance.toPrecision(2)} standard deviations from the mean of the rows that are trained on, so far that squares overflow float32; mend it, or leave the column out`,
        );
      }
    }
  }
}
