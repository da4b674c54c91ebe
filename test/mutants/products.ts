/** @file Mutants of products in blocks: their loop, their tiles, a depth that workgroups share, and who shares a kernel. */
import { changed, type Mutant } from "./mutant.ts";

const products = "test/gpu/products.test.ts";
const scatters = "test/gpu/scatter-chunks.test.ts";
const inBlocks = "test/gpu/product-blocks.test.ts";

export const productMutants: readonly Mutant[] = [
  ...changed(
    "compiler/plan/emit/blocks.ts",
    [products],
    [
      ["products of any left operand share its block", "phase.left === left && ", ""],
      ["a left operand is read one way", "phase.transposed === attrs.transposeA && ", ""],
      [
        "every matrix of a stack is the first",
        "index.of(writer.div(block, perMatrix), sizeOf(batch))",
        "index.of(writer.u32(0), sizeOf(batch))",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/blocks.ts",
    [inBlocks],
    [["workgroups share the first chunk", "writer.rem(group, number(chunks))", "number(0)"]],
  ),
  ...changed(
    "compiler/plan/emit/block-products.ts",
    [inBlocks],
    [
      [
        "past the depth the last element counts again",
        "w.select(w.less(w.add(start, expr), end), vector,",
        "w.select(w.bool(true), vector,",
      ],
      [
        "the left operand as if it were transposed",
        "panel(0, left, !transposed, rows)",
        "panel(0, left, transposed, rows)",
      ],
      [
        "the right operand as if it were transposed",
        "panel(i + 1, right, depthFirst, columns)",
        "panel(i + 1, right, !depthFirst, columns)",
      ],
      ["a block after the last is multiplied", "else w.if(w.less(one, turns), second);", "else second();"],
      ["the rest of the depth is left out", "w.if(w.less(rest, end), last);", ""],
      [
        "the next block replaces the one that is multiplied",
        "this.#store(panels, 1, next);",
        "this.#store(panels, 0, next);",
      ],
      ["lanes of a tile read the same part of the depth", "w.mul(this.#place.slice, w.u32(stride))", "w.u32(0)"],
      ["any number of right operands fits in memory", "return Math.min(4, ", "return Math.max(4, "],
    ],
  ),
  ...changed(
    "compiler/plan/emit/block-tile.ts",
    [inBlocks],
    [
      ["rows past the end are stored", "...(fits(m, rowsOf(shape)) ? [] :", "...(rowsOf(shape) > 0 ? [] :"],
      ["columns past the end are stored", "fits(n, columnsOf(shape)) || !isWhole", "columnsOf(shape) > 0 || !isWhole"],
      [
        "vectors are stored past the last column",
        'const isWhole = typeof n === "number" && n % 4 === 0;',
        "const isWhole = true;",
      ],
      ["the last lane of a tile has its sum", "sum = writer.add(sum, part(s));", "sum = part(s);"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/split-depth.ts",
    [inBlocks],
    [
      [
        "chunks go on past the end",
        "writer.min(writer.add(start, length), writer.size(depth))",
        "writer.add(start, length)",
      ],
      ["chunks without a sum count", "writer.less(writer.bound(chunk), used)", "writer.bool(true)"],
      [
        "parts of a chunk replace each other",
        "writer.select(isFirst, writer.f32(0),",
        "writer.select(writer.bool(true), writer.f32(0),",
      ],
      ["chunks of any depth are one sum", "mostOfLane <= mostTerms", "mostOfLane > 0"],
    ],
  ),
  ...changed(
    "compiler/plan/emit/scatter-chunks.ts",
    [scatters],
    [
      [
        "updates of the last row alone count",
        "index.mul(index.of(row), index.dim(columns))",
        "index.mul(index.of(row0), index.dim(columns))",
      ],
      [
        "updates past the end count",
        "writer.and(exists, writer.less(row, number(mostRows)))",
        "writer.less(row, number(mostRows))",
      ],
      [
        "parts of a chunk replace each other",
        "writer.select(isFirst, writer.f32(0),",
        "writer.select(writer.bool(true), writer.f32(0),",
      ],
      [
        "the sums of a part count in the next",
        "writer.storeInSlot(sums, row, lane, writer.f32(0))",
        "writer.storeInSlot(sums, row, lane, writer.load(sums, lane, row))",
      ],
      ["chunks without a sum count", "writer.less(writer.bound(chunk), used)", "writer.bool(true)"],
    ],
  ),
  ...changed(
    "compiler/plan/outside-loops.ts",
    [scatters],
    [
      [
        "scatters share a kernel with blocks",
        "(needMuch ? undefined : [...kernels.keys()].find((key) => needNone || isRoomy(key)))",
        "[...kernels.keys()].find((key) => needNone || isRoomy(key))",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/stages/components.ts",
    [inBlocks],
    [
      [
        "a value is overwritten while others read it",
        "if ((isOwn && !apart.has(next)) || shared.has(next)) join",
        "if (isOwn && !apart.has(next)) join",
      ],
      [
        "what is computed from one product runs apart",
        "if ((isOwn && !apart.has(next)) || shared.has(next)) join",
        "if (shared.has(next)) join",
      ],
      [
        "products stay with whatever has their size",
        "if (apart.length === 0 || parts.length === 1)",
        "if (parts.length > 0)",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/outside-loops.ts",
    [inBlocks],
    [
      [
        "blocks of any shape share a kernel",
        'return Object.values(shape).join(" ");',
        'return shape === undefined ? "" : "one";',
      ],
      [
        "one kernel serves all sizes",
        "return next === undefined || plansAt(next) !== plansAt(size);",
        "return next === undefined;",
      ],
    ],
  ),
  ...changed(
    "compiler/plan/emit/block-shape.ts",
    [inBlocks],
    [
      ["tiles are small on any GPU", "laneRegisters >= largeTile", "laneRegisters > 512"],
      ["tiles are large on any GPU", "laneRegisters >= largeTile", "laneRegisters > 0"],
    ],
  ),
];
