/** @file In what a loss is measured: it follows from the data. */
import type { DataKind } from "../../shared/protocol.ts";

export interface Unit {
  readonly words: string;
  /** As short as it must be beside an axis. */
  readonly short: string;
}

const units: Readonly<Record<DataKind, Unit>> = {
  text: { words: "nats per character", short: "nats per character" },
  // Columns are brought to variance 1 before they are learned from.
  series: { words: "mean squared error, in variances of each column", short: "MSE, in variances" },
  regression: { words: "mean squared error of the answer", short: "MSE of the answer" },
};
const mixed: Unit = { words: "each in the unit of its data", short: "loss" };

/** Of runs on data of these kinds, where they have one. */
export function lossUnit(kinds: readonly (DataKind | undefined)[]): Unit {
  const [kind, ...others] = new Set(kinds);
  return kind === undefined || others.length > 0 ? mixed : units[kind];
}
