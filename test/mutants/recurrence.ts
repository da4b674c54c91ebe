/** @file Mutants of the analysis of a loop's carries. */
import { changed, type Mutant } from "./mutant.ts";

const onForms = "test/recurrence/carry-forms.test.ts";

export const recurrenceMutants: readonly Mutant[] = [
  ...changed(
    "compiler/recurrence/carry-forms.ts",
    [onForms],
    [
      ["a choice by the state is affine", "return isFree(a) ? choiceOf(b, c) : undefined;", "return choiceOf(b, c);"],
      [
        "products of states are affine",
        "isFree(a) || isFree(b) ? sumOf([a, b], false)",
        "a === a ? sumOf([a, b], false)",
      ],
      ["a quotient by a state is affine", "isFree(b) ? sumOf([a], false)", "b === b ? sumOf([a], false)"],
      ["views keep positions", "if (keepsPositions(body, node)) return worst;", "if (node.aval) return worst;"],
      [
        "a maximum less a state is a maximum",
        'if (a.kind === "extremum" && isFree(b)) return a;\n      return sumOf([a, b], isFree(b)',
        'if (a.kind === "extremum") return a;\n      return sumOf([a, b], isFree(b)',
      ],
      [
        "a multiple of a state may be in a maximum",
        'return value.kind === "affine" && value.shifted;',
        'return value.kind === "affine";',
      ],
      [
        "a maximum of a minimum is a maximum",
        'value.kind === "extremum" ? value.of === of :',
        'value.kind === "extremum" ? value.of !== undefined :',
      ],
      ["a group may mix maxima and multiples", "if (!same) return", "if (same === undefined) return"],
      ["loops in a step keep positions", 'operands.every(isFree) ? free : { kind: "dense", cause: id }', "free"],
      [
        "states of other groups count as the group's own",
        "mine.has(id) ? {",
        "bodyInputs(attrs).carries.includes(id) ? {",
      ],
    ],
  ),
  ...changed(
    "compiler/recurrence/carry-groups.ts",
    [onForms],
    [
      [
        "every carry is alone",
        "const reached = open.includes(read) ? lowest.get(read) : undefined;",
        "const reached = undefined;",
      ],
      ["finished groups join later ones", "open.includes(read) ? lowest.get(read) : undefined", "lowest.get(read)"],
      [
        "every carry reads itself",
        "return group.some((carry) => at(readBy, carry).some((read) => group.includes(read)));",
        "return readBy.length > 0;",
      ],
    ],
  ),
  ...changed(
    "compiler/recurrence/stopped-factor.ts",
    [onForms],
    [
      ["a guard may test another value", "tested === ct && ", ""],
      ["a guard may leave another value", "isZero(body, zero) && isZero(body, otherwise)", "isZero(body, zero)"],
    ],
  ),
];
