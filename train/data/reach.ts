/**
 * @file Outliers whose squares overflow f32, in which devices compute: a misplaced decimal point, or a number that marks a
 * missing value. Reported before training starts, since otherwise the loss would just become infinite.
 */
import { at, UserError } from "../../compiler/graph/errors.ts";
import type { Normalisation } from "./normalisation.ts";

/** In standard deviations. Its square leaves eight of f32's 38 decimal powers for sums and products with weights. */
const farthest = 1e15;

interface Extreme {
  readonly value: number;
  readonly place: string;
}

/** The least and the greatest value of each column, with their locations. */
export class Extremes {
  readonly #least: Extreme[] = [];
  readonly #greatest: Extreme[] = [];

  /** Adds the next row; `place` is its name in messages, such as "line 3". */
  add(row: readonly number[], place: string): void {
    for (const [column, value] of row.entries()) {
      if (!(value >= (this.#least[column]?.value ?? Number.POSITIVE_INFINITY))) this.#least[column] = { value, place };
      if (!(value <= (this.#greatest[column]?.value ?? Number.NEGATIVE_INFINITY)))
        this.#greatest[column] = { value, place };
    }
  }

  /** Throws a UserError if a value of the table `name` is too large for f32. */
  check(name: string, columns: readonly string[], { mean, deviation }: Normalisation): void {
    for (const [column, title] of columns.entries()) {
      for (const { value, place } of [at(this.#least, column), at(this.#greatest, column)]) {
        const distance = Math.abs(value - at(mean, column)) / at(deviation, column);
        if (distance <= farthest) continue;
        throw new UserError(
          `${name}, ${place}, ${title}: ${value} is ${distance.toPrecision(2)} standard deviations from the mean of the training rows, so far that squares overflow float32; correct it, or leave the column out`,
        );
      }
    }
  }
}
