/** @file Mutants of values in several buffers: their pages, what is computed page by page, and kernels that bind too many. */
import { changed, type Mutant } from "./mutant.ts";

const onPlans = "test/plan/pages.test.ts";
const onChunks = "test/passes/row-chunks.test.ts";
const onDevices = "test/gpu/pages.test.ts";

export const bufferMutants: readonly Mutant[] = [
  ...changed(
    "compiler/graph/pages.ts",
    [onPlans],
    [
      ["a page ends within an array", "if (size + total > most) end();", ""],
      ["a large array is cut anywhere", "size = rows * row;", "size = most;"],
    ],
  ),
  ...changed(
    "compiler/passes/rows.ts",
    [onPlans],
    [
      ["rows are scattered to the first of a page", "sub(index, first)", "index"],
      [
        "what belongs to other pages is scattered too",
        "where(alongRows(isInside, updates.shape), updates, 0)",
        "updates",
      ],
      [
        "a lookup takes the first page's row",
        "const isHere = not(less(indices, first));",
        "const isHere = less(indices, 0);",
      ],
      ["a padded value starts at its page", "pad(part, axis, low - first, count)", "pad(part, axis, 0, count)"],
      [
        "a range of a slice starts at 0",
        "Number(given()[axis]) + start : start) + first",
        "Number(given()[axis]) + start : start)",
      ],
    ],
  ),
  ...changed(
    "compiler/passes/in-pages.ts",
    [onPlans],
    [["a maximum of pages is their sum", 'const join = node.op === "sum" ? add : max;', "const join = add;"]],
  ),
  ...changed(
    "compiler/passes/row-chunk-plan.ts",
    [onChunks],
    [
      [
        "a sum over some rows is one of a row",
        "return before === axes && node.attrs.axes.every((axis) => axis >= axes);",
        "return true;",
      ],
      [
        "logits that are a result are cut",
        "wide.size === 0 || this.graph.outputs.some((id) => wide.has(id))",
        "wide.size === 0",
      ],
      ["a loop reads what it is yet to find", "known.set(id, isInLoop ? level + 1 : level);", "known.set(id, level);"],
      ["a maximum of chunks is their sum", 'return node.op === "sum" ? "sum" : "max";', 'return "sum";'],
    ],
  ),
  ...changed(
    "compiler/passes/row-chunks.ts",
    [onChunks],
    [
      ["parts of a gradient are the first one", "slice(a, 1, part.first, part.count)", "slice(a, 1, 0, part.count)"],
      ["rows that are left over are left out", "add(0, rest === 0 ? 0 : 1, rest);", "add(0, 0, rest);"],
      ["chunks are taken out of their loop", "recompute: true", "recompute: false"],
      [
        "rows are read from the first chunk",
        "slice(tensor, 0, first, count * size)",
        "slice(tensor, 0, 0, count * size)",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/memory/slabs.ts",
    [onPlans],
    [["a slab grows past its buffer", "return this.#known + knownSize(size) + margin <= this.#most;", "return true;"]],
  ),
  ...changed(
    "compiler/plan/memory/in-place-concat.ts",
    [onDevices],
    [["pages are joined in memory", "if (Number(sizeOf(node.aval.shape)) > most) continue;", ""]],
  ),
  ...changed(
    "compiler/plan/emit/kernel.ts",
    [onPlans],
    [
      [
        "kernels bind as many buffers as their stages need",
        "const isCrowded = (isPaged || memory.isPaged) && code",
        "const isCrowded = false && code",
      ],
    ],
  ),
  ...changed(
    "devices/paged-program.ts",
    [onDevices],
    [
      ["arrays in other pages are read", "if (isSame) return arrays;", "return arrays;"],
      [
        "one program serves all sizes",
        "sizes === undefined || fits(any.program, sizes, loader.bufferBytes)\n      ? known",
        "true\n      ? known",
      ],
    ],
  ),
];
