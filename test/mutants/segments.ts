/** @file Mutants of sequences in segments of time, and of the memory budget. */
import { changed, type Mutant } from "./mutant.ts";

const onSegments = "test/train/segments.test.ts";

export const segmentMutants: readonly Mutant[] = [
  ...changed(
    "train/forms/in-segments.ts",
    [onSegments],
    [
      ["every segment begins at the first step", 'constant(first, "i32"));', 'constant(0, "i32"));'],
      ["steps are numbered within a segment", "add(within, broadcast(begin, shape))", "within"],
      [
        "a sum over time is that of the last segment",
        "next: (a, b) => add(a as Float, b as Float)",
        "next: (_, b) => b",
      ],
      ["a maximum is that of the last segment", "next: (a, b) => max(a as Float, b as Float)", "next: (_, b) => b"],
      ["the segment that is left over is dropped", "run(0, rest === 0 ? 0 : 1, rest);", ""],
      ["a loop starts anew in every segment", "...starts,", "...operands.slice(consts, consts + carries),"],
      ["values are kept for the gradient", "{ recompute: true, ", "{ "],
    ],
  ),
  ...changed(
    "train/forms/along-time.ts",
    [onSegments],
    [["sums over time are those of a segment's step", "        if (inSegments) return soFar;\n", ""]],
  ),
  ...changed(
    "compiler/autodiff/reverse-scan.ts",
    [onSegments],
    [
      ["a step that is computed again is stored too", "if (node.attrs.recompute) return carryIds.has(id);", ""],
      ["the gradient's loop may be taken apart", "recompute: attrs.recompute ?? false },", "},"],
    ],
  ),
  ...changed("compiler/passes/hoist.ts", [onSegments], [["products leave their segments", "!attrs.recompute && ", ""]]),
  ...changed(
    "compiler/passes/sink.ts",
    [onSegments],
    [["sums leave their segments", "if (attrs.recompute) return emitResults(attrs, operands);", ""]],
  ),
  ...changed(
    "train/memory-budget.ts",
    [onSegments],
    [
      ["the bytes of one buffer do not matter", " && buffers.every((size) => size <= mostOfBuffer)", ""],
      ["all lengths run in the segments of one", "lengthOf(objective, inputs) === segments.length ? cut : any", "cut"],
      ["a step that fits is cut too", "  if (whole.fits) return whole;\n", ""],
    ],
  ),
  ...changed(
    "compiler/plan/scan/stepwise.ts",
    ["test/gpu/loops.test.ts", "test/kernel/evaluate-programs.test.ts", onSegments],
    [
      ["every carry has two slots", "if (changesInPlace(groups, carry, id)) {", "if (carry < 0) {"],
      [
        "a carry that other stages read changes in place",
        'return stage.kind === "stage" && stage.roots.includes(next) && reads',
        "return reads",
      ],
      [
        "a carry that is read elsewhere changes in place",
        "stage.roots.includes(next) && reads.every(({ samePosition }) => samePosition)",
        "stage.roots.includes(next)",
      ],
    ],
  ),
  ...changed(
    "compiler/passes/lookups.ts",
    [onSegments],
    [["steps of a segment do not count as many", " || dimCoefficient(lookups) >= tableRows", ""]],
  ),
];
