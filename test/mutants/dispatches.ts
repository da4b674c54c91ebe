/** @file Mutants of what shares a dispatch on a GPU, outside of loops. */
import { changed, type Mutant } from "./mutant.ts";

const onCounts = "test/plan/dispatch-counts.test.ts";
const onDocs = "test/docs/docs.test.ts";

export const dispatchMutants: readonly Mutant[] = [
  ...changed(
    "compiler/plan/stages/dispatches.ts",
    [onCounts, onDocs],
    [
      ["no stage waits", "if (level !== undefined) this.#level.set(stage, level);", ""],
      [
        "a stage waits though what it reads takes memory that a later value needs",
        "return lives || !this.#placesBetween(size, this.of(stage), level);",
        "return true;",
      ],
      ["no second kernel waits", "if (wait !== undefined) waits.set(stage, wait);", ""],
    ],
  ),
  ...changed(
    "compiler/passes/partial-sums.ts",
    [onCounts],
    [
      ["no sum has pieces", "count >= manyTerms", "count < 0"],
      ["a sum of sums is no long sum", 'inner.op === "sum" || inner.op === "reshape"', 'inner.op === "reshape"'],
    ],
  ),
  ...changed(
    "compiler/plan/stages/form-stages.ts",
    [onCounts],
    [
      [
        "readers wait for a number made of few terms",
        "if (this.#ofFolded.has(id) && this.#stored.delete(id))",
        "if (id < 0)",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/lower.ts",
    [onCounts],
    [
      [
        "a number that readers compute is read from memory",
        "recomputed.has(id) ? undefined : target(id)",
        "target(id)",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/shared-work.ts",
    [onCounts],
    [["pieces of a long sum are cut again", " && !isBusy", ""]],
  ),
  ...changed(
    "compiler/plan/outside-loops.ts",
    [onCounts],
    [
      [
        "what waits is for all sizes",
        "return above < most && most <= (atMost ?? Number.POSITIVE_INFINITY);",
        "return true;",
      ],
      ["values without loops have a kernel of their own", "needNone || isRoomy(key)", "isRoomy(key)"],
    ],
  ),
  ...changed(
    "compiler/plan/open-dispatches.ts",
    [onCounts],
    [
      [
        "weights that pass by are packed in a dispatch of their own",
        "return order > known &&",
        "return order < known &&",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/scan/panel-packing.ts",
    [onCounts],
    [["what only some sizes of the batch need is packed for all", "lowering.memory.isChoosing", "false"]],
  ),
];
