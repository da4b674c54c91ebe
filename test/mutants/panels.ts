/** @file Mutants of weights that pass by on a GPU: their panels, how lanes read them, and how many rows they serve. */
import { changed, type Mutant } from "./mutant.ts";

const onPanels = ["test/gpu/panels.test.ts"];

export const panelMutants: readonly Mutant[] = [
  ...changed("compiler/plan/scan/panels.ts", onPanels, [
    ["sums of other operands are in one group", "`${left} ${depth} ${columns}`).join()", '"").join()'],
    ["lanes that share reductions count on as many registers", "withReductions: 72", "withReductions: 40"],
    ["columns that fill no vector are left out", "Math.ceil(columns / four)", "Math.floor(columns / four)"],
    [
      "steps that fill no turn are left out",
      "Math.ceil(depth / (four * slices))",
      "Math.floor(depth / (four * slices))",
    ],
    ["sums of all groups begin at 0", "firstSum += four * quads;", ""],
  ]),
  ...changed("compiler/plan/scan/panel-products.ts", onPanels, [
    [
      "a step of the depth is where it is in a row",
      "const known = this.#within.get(index.expr);",
      "const known = index.expr;",
    ],
    ["lanes read the vectors of the first wave", "w.div(w.lane, w.u32(readTogether))", "w.u32(0)"],
    ["neighbours add first lanes of other columns", "w.fromLaneXor(sum, apart)", "w.fromLaneXor(sum, 1)"],
    ["parts of a sum have one place", "w.div(this.slice, w.u32(neighbours))", "w.u32(0)"],
    ["sums of accumulators have one place", "group.firstSum + number * group.quadsOfOne * four", "group.firstSum"],
    ["all lanes of a column store", "w.equal(w.rem(slice, w.u32(panels.neighbours)), w.u32(0))", "w.bool(true)"],
    ["lanes without columns store", "quads === passes * perPass ? undefined", "quads > 0 ? undefined"],
    ["steps beyond the depth count", "w.select(w.less(k.expr, w.u32(depth)), read, w.f32(0))", "read"],
    ["a partial sum has any number of terms", "if (rounds <= perPart) loop", "if (rounds > 0) loop"],
    ["rounds that fill no part are left out", "if (rounds % perPart > 0)", "if (rounds < 0)"],
    ["turns that fill no round are left out", "this.#add(turnsFrom(w.u32(rest), whole - rest), sums);", ""],
  ]),
  ...changed("compiler/plan/scan/panel-packing.ts", onPanels, [
    ["no weight is transposed", 'node.op === "dot" && node.attrs.transposeB', "false"],
    ["columns beyond the last hold weights", "w.select(exists, weight, w.f32(0))", "weight"],
    [
      "all products are the first",
      "m.add(m.mul(turn, m.dim(group.loops)), m.dim(loop))",
      "m.mul(turn, m.dim(group.loops))",
    ],
    ["all passes are the first", "m.add(m.mul(wave, m.dim(group.passes)), pass)", "m.mul(wave, m.dim(group.passes))"],
  ]),
  ...changed("compiler/plan/scan/persistent.ts", onPanels, [
    ["weights are packed for every number of rows", "layouts.size === 1", "layouts.size === 0"],
    [
      "a batch of any size has the same rows",
      "const wanted = Math.min(rows, mostPanelRows(lowering), known);",
      "const wanted = 1;",
    ],
  ]),
  ...changed("compiler/plan/scan/fit-rows.ts", onPanels, [
    ["sums need no memory", " + sumBytes(panels, neighbours, rows)", ""],
  ]),
  ...changed("compiler/plan/scan/slots.ts", onPanels, [
    [
      "what follows the products of a stage reads no states elsewhere",
      "return later.every(({ id, samePosition }) => id !== carry || samePosition);",
      "return later.length >= 0;",
    ],
  ]),
  ...changed("compiler/kernel/evaluate/values.ts", onPanels, [
    ["vectors of a buffer overlap", "index * width + component", "index + component"],
  ]),
];
