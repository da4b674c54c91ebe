/** @file `parseCell`: equations as text are a cell. */
import { type CellDefinition, cell } from "../../compiler/dsl/cell.ts";
import { expectArgument } from "../../compiler/graph/errors.ts";
import { checkedOptions } from "../../compiler/graph/options.ts";
import { Definition } from "./definition.ts";
import { stepOf } from "./evaluate.ts";

/** Options of `parseCell`. */
export interface ParseCellOptions {
  /** The name of the cell; `cell` by default. */
  readonly name?: string;
  /** The file in error messages; `NAME.cell` by default. */
  readonly file?: string;
  /** The file in the lines of ops; `file` by default. */
  readonly path?: string;
}

/**
 * The cell that equations define, as they stand in a paper:
 *
 *   z_t = sigmoid(W_z [x_t, h_{t-1}] + b_z)
 *   n_t = tanh(W_n [x_t, h_{t-1}] + b_n)
 *   h_t = z_t ∘ h_{t-1} + (1 - z_t) ∘ n_t
 *
 * A name that is read at t−1 is a state, a name without an equation a weight: a matrix [rows, units] if it begins with a
 * capital letter, otherwise a vector [units]. The output is y, or the last equation's value. Nothing of the text is run
 * as a program.
 *
 * @throws EquationError with the line and the character that is wrong; some only when the cell gets its sizes.
 */
export function parseCell(text: string, options: ParseCellOptions = {}): CellDefinition {
  expectArgument(typeof text === "string", "parseCell: the text", text, "the equations of a cell");
  const kinds = { name: "string", file: "string", path: "string" } as const;
  const { name = "cell", file = `${name}.cell`, path = file } = checkedOptions("parseCell", options, kinds);
  const definition = new Definition({ file, path, text });
  return cell(
    name,
    { state: ({ units }) => Object.fromEntries(definition.states.map((key) => [key, [units]])) },
    (input) => stepOf(definition, input),
  );
}
