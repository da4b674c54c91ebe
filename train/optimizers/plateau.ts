/** @file Reduces the learning rate when the held-out loss stops improving. Runs on the host. */
import { UserError } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";

/** Options of `plateau`. */
export interface PlateauOptions {
  /** Factor of each reduction; 0.1 by default. */
  readonly factor?: number;
  /** Losses in a row without improvement that are tolerated; the next one reduces the rate. 10 by default. */
  readonly patience?: number;
  /** Minimum improvement, relative to the best loss; 1e-4 by default. */
  readonly threshold?: number;
  /** Losses after a reduction that are not counted; 0 by default. */
  readonly cooldown?: number;
  /** Lower bound of the total factor; 0 by default. */
  readonly lowest?: number;
}

/** Tracks the held-out losses. */
export interface Plateau {
  /** Observes the next held-out loss; returns the factor of the learning rate from now on, initially 1. */
  readonly observe: (loss: number) => number;
}

/** The rules of PyTorch's ReduceLROnPlateau (mode min, relative threshold). A NaN is not an improvement. */
export function plateau(options: PlateauOptions = {}): Plateau {
  const {
    factor = 0.1,
    patience = 10,
    threshold = 1e-4,
    cooldown = 0,
    lowest = 0,
  } = checkedOptions("plateau", options, {
    factor: "number",
    patience: "number",
    threshold: "number",
    cooldown: "number",
    lowest: "number",
  });
  if (!(factor > 0 && factor < 1))
    throw new UserError(`plateau: factor is ${factor}; expected a number above 0 and below 1`);
  for (const [name, value] of Object.entries({ patience, cooldown })) {
    if (!Number.isInteger(value) || value < 0)
      throw new UserError(`plateau: ${name} is ${value}; expected a whole number of 0 or more`);
  }
  for (const [name, value] of Object.entries({ threshold, lowest })) {
    if (!(value >= 0 && value < 1)) throw new UserError(`plateau: ${name} is ${value}; expected 0 or more, below 1`);
  }
  let [current, best, bad, cooling] = [1, Number.POSITIVE_INFINITY, 0, 0];
  return {
    observe: (loss) => {
      // With the absolute value, so that negative losses, as of densities, must improve as well.
      const isBetter = best === Number.POSITIVE_INFINITY ? loss < best : loss < best - threshold * Math.abs(best);
      if (isBetter) best = loss;
      bad = isBetter ? 0 : bad + 1;
      if (cooling > 0) {
        cooling -= 1;
        bad = 0;
      }
      if (bad > patience) {
        current = Math.max(current * factor, lowest);
        cooling = cooldown;
        bad = 0;
      }
      return current;
    },
  };
}
