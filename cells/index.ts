/** @file The built-in cells, by their name on the command line. */
import type { CellDefinition } from "../compiler/dsl/cell.ts";
import { gru } from "./gru.ts";
import { gruResetAfter } from "./gru-reset-after.ts";
import { lstm } from "./lstm.ts";
import { lstm1997 } from "./lstm1997.ts";
import { rnn } from "./rnn.ts";

/** All built-in cells, by their name on the command line. */
export const cells: Readonly<Record<string, CellDefinition>> = Object.fromEntries(
  [rnn, lstm1997, lstm, gru, gruResetAfter].map((definition) => [definition.cellName, definition as CellDefinition]),
);

export { gru, gruResetAfter, lstm, lstm1997, rnn };
