/** @file Mutants of what the playground's page shows and says, equations among it. */
import { changed, type Mutant } from "./mutant.ts";

const onLatex = ["test/interchange/latex.test.ts"];

export const pageMutants: readonly Mutant[] = [
  ...changed(
    "playground/shared/language.ts",
    ["test/playground/language.test.ts"],
    [
      ["a tag that Intl refuses stays", "valid !== navigator.language", "valid === undefined"],
      ["underscores stay", 'tag.replaceAll("_", "-")', "tag"],
    ],
  ),
  ...changed("interchange/latex/equations.ts", onLatex, [
    ["a value that is read twice is written twice", "uses < 2 && !isMap", "uses >= 2 || !isMap"],
    ["the parts of another scope belong to a map", "new Set(scopes).size === 1", "scopes.length > 0"],
    ["constants have a time", "isTimed ? timed(symbol) : symbol", "timed(symbol)"],
  ]),
  ...changed("interchange/latex/terms.ts", onLatex, [
    [
      "a column and a row are taken for each other",
      "places[0] === 0 ? [a, b] : [b, a]",
      "places[0] === 1 ? [a, b] : [b, a]",
    ],
    ["a mean of another number of elements", "divisor.attrs.value === count", "divisor.attrs.value !== count"],
    ["what others read is taken into a pattern", "this.#uses[part] === 1", "this.#uses[part] !== 0"],
  ]),
  ...changed("interchange/latex/rules.ts", onLatex, [
    ["x has the matrix of the state", 'isRecurrent(part) ? "U" : "W"', '!isRecurrent(part) ? "U" : "W"'],
    ["a matrix of one's own is not transposed", 'transposed ? "" : "^\\\\top"', 'transposed ? "^\\\\top" : ""'],
  ]),
  ...changed("interchange/latex/expression.ts", onLatex, [
    ["a sum as a factor", "part.level < level.product", "part.level < level.sum"],
    ["lines end within fractions", "tex: unbroken(tex), level: at, tall: true", "tex, level: at, tall: true"],
  ]),
  ...changed("interchange/latex/symbols.ts", onLatex, [
    ["a name's own signs are LaTeX", "escapes[character] ?? `\\\\${character}`", "character"],
    ["two subscripts", "if (before !== null) return", "if (before === undefined) return"],
  ]),
  ...changed(
    "playground/sandbox/meant.ts",
    ["test/playground/messages.test.ts"],
    [
      ["names of the source are not looked at", "[...declaredIn(source), ...exports]", "exports"],
      ["any method is a function of the library", "exports.includes(called) ? ", "called ? "],
    ],
  ),
  ...changed(
    "playground/page/editor/operators.ts",
    ["test/playground/messages.test.ts"],
    [
      ["readers of an operation stay as they are", "isOperation(outOfParentheses(node).parent ?? node))", "false)"],
      ["numbers become tensors", " || !/[A-Za-z_$]/.test(text)) return text", ") return text"],
    ],
  ),
  ...changed(
    "playground/page/session/data-entry.ts",
    ["test/playground/data-entry.test.ts"],
    [
      ["a choice that waits for its text flips back", "if (this.#asked) return own;", ""],
      ["typed text outlives other data", "this.#asked = false;\n    this.#typed = undefined;", "this.#asked = false;"],
    ],
  ),
  ...changed(
    "playground/page/session/stopped.ts",
    ["test/playground/messages.test.ts"],
    [["a run that stopped is named twice", "message.slice(run.length + 2)", "message"]],
  ),
  ...changed(
    "playground/worker/progress.ts",
    ["test/playground/progress.test.ts"],
    [
      [
        "a run that diverges tells of its mean alone",
        "for (const step of steps) this.#tell([step]);",
        "this.#tell(steps);",
      ],
      ["a time of no tokens is a speed of 0", "this.#tokens > 0 && (elapsed >= milliseconds ||", "(elapsed >= 0 ||"],
    ],
  ),
  ...changed(
    "playground/worker/training-clock.ts",
    ["test/playground/progress.test.ts"],
    [["evaluation counts as training", "this.#left += this.#source() - start;", ""]],
  ),
  ...changed(
    "playground/worker/run.ts",
    ["test/playground/worker.test.ts"],
    [["a run that diverges tells of no step", "    this.#progress.diverged();\n    return", "    return"]],
  ),
  ...changed(
    "playground/page/words.ts",
    ["test/playground/messages.test.ts"],
    [["time is always a field", "/\\btime is (?=\\d)/g", "/\\btime/g"]],
  ),
];
