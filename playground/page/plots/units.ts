/** @file In what a loss is measured: it follows from the data. */
import type { DataKind } from "../../shared/protocol.ts";

const units: Readonly<Record<DataKind, string>> = {
  text: "nats per character",
  // Columns are brought to variance 1 before they are learned from.
  series: "squared error, in variances of each column",
  regression: "squared error of the answer",
};

/** Of runs on data of these kinds; undefined where they differ, or where a kind is not known. */
export function lossUnit(kinds: readonly (DataKind | undefined)[]): string | undefined {
  const [kind, ...others] = new Set(kinds);
  return kind === undefined || others.length > 0 ? undefined : units[kind];
}
