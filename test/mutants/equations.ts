/** @file Ways to break equations as text: what their names mean, what is computed, and where a fault is. */
import { changed, type Mutant } from "./mutant.ts";

const tests = ["test/interchange/equations/parse-cell.test.ts"];

export const equationMutants: readonly Mutant[] = [
  ...changed("interchange/equations/names.ts", tests, [
    ["a Greek letter is not its name", "greek[letter] ?? letter", "letter"],
    ["Wz is a name of its own", 'subscript === "" && /^[WURVb]$/', 'subscript !== "" && /^[WURVb]$/'],
    ["a bias has no path of its own", 'stem === "b" ? "bias" : stem', "stem"],
  ]),
  ...changed("interchange/equations/definition.ts", tests, [
    ["a bare name is the next state", "isPrimed && !isNext && time === undefined", "isPrimed && isNext"],
    ["the output is the first equation's", "const last = keys.at(-1);", "const last = keys.at(0);"],
    ["a value may read itself", "name.key === key || above.includes(name.key)", "false"],
    ["a start of no weight is ignored", "!weights.has(left.name.key)", "false"],
  ]),
  ...changed("interchange/equations/evaluate.ts", tests, [
    ["recurrent rows are glorot", "this.#definition.isRecurrent(item) ? orthogonal() : glorot", "glorot"],
    ["a matrix is always needed", "widthOf(right) === this.#input.units ? right : ", ""],
    ["widths are not compared", " || widthOf(a) === widthOf(b)) return;", " || true) return;"],
    ["a matrix has any number of rows", "if (known !== rows)", "if (false)"],
    [
      "ops have no line",
      "return atSite(this.#site(expression), () => this.#computed(expression));",
      "return this.#computed(expression);",
    ],
  ]),
  ...changed("interchange/equations/starts.ts", tests, [
    ["a negative start is positive", "return -numberOf(", "return numberOf("],
    ["an initializer has any numbers", "!entry.operands.includes(numbers.length)", "false"],
  ]),
  ...changed("interchange/equations/newlines.ts", tests, [
    ["brackets do not join lines", "Number(open) > 0 || ", ""],
    ["an operator does not join lines", " || operators.has(input.peek(count))", ""],
  ]),
  ...changed("interchange/equations/read.ts", tests, [
    ["an open bracket is not found", "if (open !== undefined) return", "if (false) return"],
    ["brackets may be any number", "if (depth > deepest)", "if (false)"],
    ["a function needs parentheses", "if (known !== undefined) return this.#applied(known, [right], place);", ""],
  ]),
  ...changed("interchange/equations/fault.ts", tests, [
    ["the caret is a character off", '" ".repeat(column - 1 - start)', '" ".repeat(column - start)'],
    ["control characters reach the terminal", 'shown.replace(/\\p{Cc}|\\p{Cf}/gu, " ")', "shown"],
  ]),
  ...changed(
    "cli/errors.ts",
    ["test/cli/equations.test.ts"],
    [["the line of an equation is not shown", "if (error instanceof EquationError) return", "if (false) return"]],
  ),
  ...changed(
    "interchange/jax/source-names.ts",
    ["test/cli/equations.test.ts"],
    [["equations name nothing in Python", "/\\.cell:\\d+$/.test(line) ? equation : declaration", "declaration"]],
  ),
  ...changed(
    "interchange/equations/write.ts",
    ["test/interchange/equations/write.test.ts"],
    [
      [
        "a difference of a difference loses its brackets",
        "within(second(operands), own + 1)",
        "within(second(operands), own)",
      ],
      [
        "the negative of a product is of its first factor",
        "within(first(operands), level.signed)",
        "within(first(operands), level.term)",
      ],
      ["initial values are not written", "return given === plain ? [] :", "return given !== plain ? [] :"],
      ["any matrix is a weight", 'if (!this.#weights.has(id) || node.op !== "input")', "if (false)"],
      [
        "an output that is a state before the last has no equation",
        "aliases.length > 0 || this.#names.get(output) !== last",
        "false",
      ],
    ],
  ),
];
